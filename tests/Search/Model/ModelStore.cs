using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Model.Tests;

/// <summary>
/// A bucket in memory that does with each call what the schedule says: answers, fails, loses the answer, or takes effect late.
/// </summary>
internal sealed class ModelStore(ModelClock clock) : IObjectStore
{
    // A PUT that began before its URL expired may end so much later (PushOptions.LateUpload).
    public static readonly TimeSpan LateUpload = TimeSpan.FromDays(1);
    private int _multiparts;
    private int _late;
    private readonly HashSet<string> _garbled = [];

    public SortedDictionary<string, byte[]> Objects { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, Multipart> Multiparts { get; } = [];

    /// <summary>Writes and deletions that nobody waits for any more.</summary>
    public List<LateEffect> Late { get; } = [];

    /// <summary>A mutant: writes take effect after their fence.</summary>
    public bool IgnoresFences { get; init; }

    /// <summary>A mutant: the answer to a retry counts, though the first attempt is still under way.</summary>
    public bool AnswersOfRetriesCount { get; init; }

    public bool IsLocal => false;

    public IEnumerable<string> NarInfos => Objects.Keys.Where(k => k.EndsWith(".narinfo", StringComparison.Ordinal));

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"PUT {key}");
        var bytes = body.ToArray();
        return Write([key.ToString()], fence, k => Objects[k] = bytes)[0];
    }

    public async Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"DELETE {string.Join(' ', keys)}");
        return Write([.. keys.Select(k => k.ToString())], fence, k => Objects.Remove(k));
    }

    /// <summary>What a client does with an upload URL; false when it does not know of a success.</summary>
    public async Task<bool> UploadAsync(Uri url, byte[] body)
    {
        await Turns.ReachAsync($"PUT {url.AbsolutePath.TrimStart('/')}");
        var expires = new DateTimeOffset(long.Parse(url.Query.Split("expires=")[1], CultureInfo.InvariantCulture), TimeSpan.Zero);
        var fault = Turns.TakeFault();
        if (clock.GetUtcNow() > expires || fault is Fault.Refuse or Fault.Deny or Fault.Drop)
            return false;
        var multipart = url.Query.Contains("upload=", StringComparison.Ordinal) ? url.Query.Split("upload=")[1].Split('&')[0] : null;
        var key = url.AbsolutePath.TrimStart('/');
        if (fault == Fault.Delay)
        {
            Late.Add(new LateEffect($"{Turns.Caller}#{++_late}", $"PUT {key}", expires + LateUpload, Arrive));
            return false;
        }

        Arrive();
        return fault == Fault.None;

        // If-None-Match: * — and the id of a multipart upload is dead once it was joined or discarded.
        void Arrive()
        {
            if (multipart is null)
                Objects.TryAdd(key, body);
            else if (Multiparts.TryGetValue(multipart, out var open))
                open.Parts[1] = body;
        }
    }

    public async Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"HEAD {key}");
        ThrowOn(Turns.TakeFault());
        return Objects.TryGetValue(key.ToString(), out var body) ? Info(key, body) : null;
    }

    public async Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"GET {key}");
        var fault = Turns.TakeFault();
        if (!Objects.TryGetValue(key.ToString(), out var body))
            return null;
        var sent = body;
        // The connection breaks, or a proxy errs, once for each key.
        if (fault == Fault.LoseAnswer)
            sent = body[..(body.Length / 2)];
        else if (fault == Fault.Drop && _garbled.Add(key.ToString()))
            sent = [.. body[..^1], (byte)~body[^1]];
        else
            ThrowOn(fault);
        return new ObjectBody(new MemoryStream(sent), 0, body.Length, Info(key, body), null);
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"LIST {prefix}");
        ThrowOn(Turns.TakeFault());
        foreach (var (key, body) in Objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal)).ToList())
            yield return Info(ObjectKey.Parse(key), body);
    }

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"PUT new {key}");
        var bytes = body.ToArray();
        Send($"PUT new {key}", () => Objects.TryAdd(key.ToString(), bytes));
        // If-None-Match: * — one that is there already has to be this.
        if (!Objects[key.ToString()].AsSpan().SequenceEqual(bytes))
            throw new ObjectStoreException($"{key} is there, with other bytes", isTransient: false);
    }

    public async Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"PUT part {number} of {key}");
        var bytes = body.ToArray();
        Send($"PUT part {number} of {key}", () =>
        {
            if (Multiparts.TryGetValue(uploadId, out var open))
                open.Parts[number] = bytes;
        });
    }

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life)
    {
        var expires = clock.GetUtcNow() + life;
        return new SignedUrl(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://bucket/{key}?expires={expires.UtcTicks}")),
            new Dictionary<string, string>(), expires);
    }

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life) =>
        [new Uri(string.Create(CultureInfo.InvariantCulture,
            $"http://bucket/{key}?upload={uploadId}&expires={(clock.GetUtcNow() + life).UtcTicks}"))];

    public async Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"POST {key}");
        var fault = Turns.TakeFault();
        if (fault is not (Fault.None or Fault.LoseAnswer))
            ThrowOn(fault);
        var id = $"multipart-{++_multiparts}";
        Multiparts[id] = new Multipart(key.ToString(), clock.GetUtcNow());
        ThrowOn(fault);
        return id;
    }

    public async Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"JOIN {key}");
        var fault = Turns.TakeFault();
        if (fault is not (Fault.None or Fault.LoseAnswer))
            ThrowOn(fault);
        if (Multiparts.TryGetValue(uploadId, out var open) && open.Parts.Count == partMd5.Count)
        {
            Multiparts.Remove(uploadId);
            Objects[key.ToString()] = [.. open.Parts.Values.SelectMany(p => p)];
        }

        ThrowOn(fault);
        return Objects.ContainsKey(key.ToString());
    }

    public async Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken)
    {
        await Turns.ReachAsync($"DISCARD {key}");
        var fault = Turns.TakeFault();
        if (fault is not (Fault.None or Fault.LoseAnswer))
            ThrowOn(fault);
        Multiparts.Remove(uploadId);
        ThrowOn(fault);
    }

    public async IAsyncEnumerable<OpenMultipart> ListMultipartAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Turns.ReachAsync("LIST multiparts");
        ThrowOn(Turns.TakeFault());
        foreach (var (id, open) in Multiparts.ToList())
            yield return new OpenMultipart(ObjectKey.Parse(open.Key), id, open.Initiated);
    }

    /// <summary>A late write or deletion takes effect, if its fence allows it still.</summary>
    public void Land(LateEffect effect)
    {
        Late.Remove(effect);
        if (clock.GetUtcNow() <= effect.Fence || IgnoresFences && !effect.What.Contains("nar/", StringComparison.Ordinal))
            effect.Apply();
    }

    private FencedOutcome[] Write(string[] keys, DateTimeOffset fence, Action<string> apply)
    {
        var fault = Turns.TakeFault();
        if (fault == Fault.Deny)
            throw new ObjectStoreException("the store refuses", isTransient: false);
        if (fault == Fault.Drop)
            return Same(FencedOutcome.Unknown);
        if (fault == Fault.Refuse || clock.GetUtcNow() > fence && !IgnoresFences)
            return Same(FencedOutcome.Refused);
        if (fault == Fault.Delay)
        {
            foreach (var key in keys)
                Late.Add(new LateEffect($"{Turns.Caller}#{++_late}", $"{key} by {Turns.Caller}", fence, () => apply(key)));
            if (!AnswersOfRetriesCount)
                return Same(FencedOutcome.Unknown);
        }

        foreach (var key in keys)
            apply(key);
        return Same(fault == Fault.LoseAnswer ? FencedOutcome.Unknown : FencedOutcome.Done);

        FencedOutcome[] Same(FencedOutcome outcome) => [.. keys.Select(_ => outcome)];
    }

    // The gateway's own upload: whoever makes it is told when it is not known to have arrived.
    private void Send(string what, Action apply)
    {
        var fault = Turns.TakeFault();
        if (fault == Fault.Delay)
            Late.Add(new LateEffect($"{Turns.Caller}#{++_late}", what, clock.GetUtcNow() + LateUpload, apply));
        else if (fault is Fault.None or Fault.LoseAnswer)
            apply();
        ThrowOn(fault);
    }

    private static void ThrowOn(Fault fault)
    {
        if (fault != Fault.None)
            throw new ObjectStoreException("the store cannot be reached", isTransient: fault != Fault.Deny);
    }

    private ObjectInfo Info(ObjectKey key, byte[] body) => new(
        key, body.Length, Bodies.IsInParts(body) ? Convert.ToHexStringLower(MD5.HashData(MD5.HashData(body))) + "-1"
            : Convert.ToHexStringLower(MD5.HashData(body)), clock.GetUtcNow());
}

internal sealed class Multipart(string key, DateTimeOffset initiated)
{
    public string Key { get; } = key;

    public DateTimeOffset Initiated { get; } = initiated;

    /// <summary>By number, from 1.</summary>
    public SortedDictionary<int, byte[]> Parts { get; } = [];
}

/// <param name="Name">The request that made the call, and a number.</param>
internal sealed record LateEffect(string Name, string What, DateTimeOffset Fence, Action Apply);
