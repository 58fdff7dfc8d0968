using System.Security.Cryptography;
using System.Text;

namespace OrleansCache.Core.Objects;

/// <summary>Asks the store what it does in this bucket, by doing on one object what pushes, readers and collections do: servers of S3 differ, and so do settings of buckets.</summary>
/// <remarks>
/// 1. A listing. 2. A PUT by a presigned URL, as a client sends it. 3. The same again: is <c>If-None-Match</c> heeded? 4. GET, whole and in part; the ETag. 5. Is it listed? 6. The deletion, as collections do it.
/// Nothing is written where a retention would keep it.
/// </remarks>
internal sealed class S3StoreProbe(IObjectStore store, S3ProbeRequests requests, TimeProvider clock)
{
    private static readonly ObjectKey Key = ObjectKey.Parse("store-probe");
    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(10);
    private static readonly byte[] Body = Encoding.UTF8.GetBytes("A server of the cache asks what this store can do. This may be deleted.\n");
    private static readonly Dictionary<string, string> Once = new() { ["if-none-match"] = "*" };

    /// <exception cref="ObjectStoreException">The store did not tell, or refuses what a cache needs.</exception>
    public async Task<StoreTraits> RunAsync(bool hasRetention, CancellationToken cancel)
    {
        // 1. First, as a presigned request is not told that the clock is off.
        await IsListedAsync(cancel);
        if (hasRetention)
            return await LookAsync(cancel);

        // 2.
        var put = await PutAsync(Once, cancel);
        if (IsLocked(put))
            return await LookAsync(cancel);
        var knows = put.Status is not (400 or 405 or 501);
        if (!knows)
            put = await PutAsync(null, cancel);
        if (!put.IsSuccess && put.Status != 412)
            throw Refused("PUT", put.Answer!);
        try
        {
            // 3. Asked twice, as another server's probe may delete the object in between. It may also have been left by one.
            var holds = knows && (put.Status == 412 || (await PutAsync(Once, cancel)).Status == 412 || (await PutAsync(Once, cancel)).Status == 412);

            // 4.
            var get = await requests.SendAsync("GET", Key, null, cancel);
            if (!get.IsSuccess)
                throw Refused("GET", get.Answer!);
            if (!get.Body.AsSpan().SequenceEqual(Body))
                throw Refused("GET", new StoreAnswer(StoreStep.Refuse, "other bytes", "What was put is not what is there. Let no proxy before the store change bodies."));
            var part = await requests.SendAsync("GET", Key, null, cancel, range: "bytes=2-5");

            // 5.
            if (!await IsListedAsync(cancel))
                throw Refused("LIST", new StoreAnswer(StoreStep.Refuse, "other keys", "The bucket does not list what was put into it. Is --s3-endpoint the URL of the store's S3 service, without the bucket?"));

            // 6.
            var deletion = await DeleteAsync(cancel);
            return new StoreTraits
            {
                EtagIsMd5 = get.ETag == Convert.ToHexStringLower(MD5.HashData(Body)),
                KnowsIfNoneMatch = knows,
                HoldsIfNoneMatch = holds,
                AnswersRanges = part.Status == 206 && part.Body.AsSpan().SequenceEqual(Body.AsSpan(2..6)),
                DeletionRefused = deletion.Answer is { IsRefusal: true } refusal ? refusal : null,
                Ahead = put.Date - clock.GetUtcNow() ?? TimeSpan.Zero,
            };
        }
        catch
        {
            await DeleteAsync(CancellationToken.None);
            throw;
        }
    }

    // What can be known without a write. If-None-Match is not believed: such buckets have versions, in which some servers ignore it.
    private async Task<StoreTraits> LookAsync(CancellationToken cancel)
    {
        var get = await requests.SendAsync("GET", ObjectKey.NixCacheInfo, null, cancel);
        if (!get.IsSuccess && get.Status != 404)
            throw Refused("GET", get.Answer!);
        return new StoreTraits { HasRetention = true, WantsMd5 = true, HoldsIfNoneMatch = false, EtagIsMd5 = !get.IsSuccess || get.ETag == Convert.ToHexStringLower(MD5.HashData(get.Body)) };
    }

    private Task<ProbeReply> PutAsync(Dictionary<string, string>? headers, CancellationToken cancel) => requests.SendAsync("PUT", Key, Body, cancel, headers);

    private async Task<bool> IsListedAsync(CancellationToken cancel)
    {
        await foreach (var found in store.ListAsync(Key.ToString(), cancel))
        {
            if (found.Key == Key)
                return true;
        }

        return false;
    }

    private async Task<FencedOutcome> DeleteAsync(CancellationToken cancel) => (await store.DeleteAsync([Key], clock.GetUtcNow() + Fence, cancel))[0];

    private static bool IsLocked(ProbeReply put) => put.Answer is { } answer
        && (answer.Code == "MissingContentMD5" || (answer.Code == "InvalidRequest" && Encoding.UTF8.GetString(put.Body) is var words && (words.Contains("MD5", StringComparison.OrdinalIgnoreCase) || words.Contains("checksum", StringComparison.OrdinalIgnoreCase))));

    private static ObjectStoreException Refused(string what, StoreAnswer answer) => new($"{what} {Key}", answer.AsRefusal());
}

/// <summary>What a store does in a bucket. A store as it should be has the defaults.</summary>
public sealed record StoreTraits
{
    /// <summary>The ETag of an object is its body's MD5.</summary>
    public bool EtagIsMd5 { get; init; } = true;

    /// <summary><c>If-None-Match: *</c> is no error.</summary>
    public bool KnowsIfNoneMatch { get; init; } = true;

    /// <summary><c>If-None-Match: *</c> keeps an object from being replaced.</summary>
    public bool HoldsIfNoneMatch { get; init; } = true;

    /// <summary>Nothing is taken without the MD5 of its body.</summary>
    public bool WantsMd5 { get; init; }

    /// <summary>What is written stays for a time that the bucket sets.</summary>
    public bool HasRetention { get; init; }

    /// <summary>What is deleted stays as an old version.</summary>
    public bool KeepsOldVersions { get; init; }

    /// <summary>A part of an object can be read.</summary>
    public bool AnswersRanges { get; init; } = true;

    /// <summary>How a deletion was refused; null: it was not.</summary>
    public StoreAnswer? DeletionRefused { get; init; }

    /// <summary>By how much the store's clock is ahead of ours; less than zero: behind.</summary>
    public TimeSpan Ahead { get; init; }
}
