using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OrleansCache.Cli.Http;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <param name="Id">As the catalog names who holds.</param>
internal sealed record NixCredential(string Id, string Secret);

/// <summary>
/// Copies with the requests of stock Nix, under a credential of its own: 1. what is there? 2. the rest, as an old Nix (one path after the
/// other; a PUT that fails ends the command) or as a new one (all NARs, then the narinfos). What it was told is there is held, so nothing
/// that it puts may ever be refused for want of a reference. Between two copies its holds lapse, now and then.
/// </summary>
/// <param name="pins">It pins what it has copied, as ncps does, instead of what it copied before.</param>
internal sealed class NixClient(HttpMessageInvoker balancer, StormCache cache, NixCredential credential, NixHolds holds, RetryPolicy retry,
    StormReport tally, bool pins)
{
    private const int AtOnce = 5;
    private static readonly HttpStatusCode[] Accepted = [HttpStatusCode.OK, HttpStatusCode.Created, HttpStatusCode.NoContent];

    private readonly string _write = $"/c/{cache.Name}";
    private readonly ForeignHttp _old = Http(balancer, credential, retry, "curl/7.88.1 Nix/2.8.0");
    private readonly ForeignHttp _new = Http(balancer, credential, retry, "curl/8.14.1 Nix/2.35.0");
    private StorePath? _pinned;

    /// <inheritdoc cref="Attempts.UntilItEndsAsync"/>
    public async Task<PushEnd?> PushAsync(SimulatedClosure cargo, Random random, CancellationToken stopped)
    {
        var end = await cache.Attempts.UntilItEndsAsync("nix", cargo.Root, (story, cancellationToken) =>
            OnceAsync(cargo, random, story, cancellationToken), stopped);
        if (end == PushEnd.Committed && pins)
            await PinAsync(cargo.Root, stopped);
        if (random.Next(2) == 0)
            await holds.LapseAsync(credential.Id, stopped);
        return end;
    }

    private async Task<PushEnd> OnceAsync(SimulatedClosure cargo, Random random, List<string> story, CancellationToken cancellationToken)
    {
        var (isOld, isPlain, listings, fate) = (random.Next(2) == 0, random.Next(3) == 0, random.Next(2) == 0, random.Next(100));
        var http = isOld ? _old : _new;
        // 1
        (await http.SendAsync(HttpMethod.Get, $"{_write}/nix-cache-info", null, cancellationToken))
            .OrThrow("nix-cache-info", HttpStatusCode.OK);
        var there = new bool[cargo.Paths.Count];
        await EachAsync(Enumerable.Range(0, there.Length), async (i, c) =>
            there[i] = await IsThereAsync(http, $"{cargo.Paths[i].Path.Hash}.narinfo", c), cancellationToken);
        var files = cargo.Paths.Where((_, i) => !there[i]).Select(path => new NixFile(path, isPlain)).ToList();
        story.Add(string.Create(CultureInfo.InvariantCulture,
            $"{DateTime.UtcNow:HH:mm:ss.fff} {(isOld ? "old" : "new")} Nix: {files.Count} of {there.Length} missing"));
        if (fate == 0)
            files.RemoveRange(files.Count / 2, files.Count - (files.Count / 2));

        // 2
        if (isOld)
        {
            foreach (var file in files)
            {
                await PutNarAsync(_old, file, isOld, cancellationToken);
                await PutAsync(_old, file.InfoUrl, ForeignHttp.Text(file.Info.Print(), "text/x-nix-narinfo"), isOld, cancellationToken);
            }
        }
        else
        {
            if (listings)
                await EachAsync(files, (file, c) => PutAsync(_new, $"{file.Path.Path.Hash}.ls",
                    ForeignHttp.Body(Zstd.Decompress(file.Path.Build.Listing, 1 << 20), "application/json"), isOld, c), cancellationToken);
            await EachAsync(files.DistinctBy(file => file.NarUrl).OrderByDescending(file => file.Body.Length), (file, c) =>
                PutNarAsync(_new, file, isOld, c), cancellationToken);
            // Those of one wave need only what is there or came in earlier ones.
            var left = files.Select(file => file.Path.Path).ToHashSet();
            while (left.Count > 0)
            {
                var wave = files.Where(file => left.Contains(file.Path.Path)
                    && file.Path.References.All(r => r == file.Path.Path || !left.Contains(r))).ToList();
                await EachAsync(wave, (file, c) => PutAsync(_new, file.InfoUrl, ForeignHttp.Text(file.Info.Print(), "text/x-nix-narinfo"),
                    isOld, c), cancellationToken);
                left.ExceptWith(wave.Select(file => file.Path.Path));
            }
        }

        if (fate <= 1)
        {
            tally.Count("given up");
            return PushEnd.GivenUp;
        }

        await PutExtrasAsync(http, files, isOld, cancellationToken);
        await cache.Promises.CheckPresentAsync($"{credential.Id}", cargo.Paths.Where((_, i) => there[i]).Select(path => path.Path.Hash),
            random, cancellationToken);
        await cache.Promises.CheckHeldAsync($"{credential.Id}", cargo.Root, random, cancellationToken);
        return PushEnd.Committed;
    }

    private async Task PutNarAsync(ForeignHttp http, NixFile file, bool isOld, CancellationToken cancellationToken)
    {
        if (await IsThereAsync(http, file.NarUrl, cancellationToken, HttpMethod.Head))
            return;
        await PutAsync(http, file.NarUrl, ForeignHttp.Body(file.Body, "application/x-nix-nar"), isOld, cancellationToken);
        tally.Count("NARs uploaded");
    }

    // As 'nix store copy-log' does, and who has content-addressed derivations.
    private async Task PutExtrasAsync(ForeignHttp http, IEnumerable<NixFile> files, bool isOld, CancellationToken cancellationToken)
    {
        foreach (var (path, package) in files.Select(file => (file.Path, file.Path.Package)))
        {
            if (package.Deriver is { } deriver)
                await PutAsync(http, $"log/{deriver.BaseName}", ForeignHttp.Text($"building {deriver}\n", "text/plain"), isOld,
                    cancellationToken);
            if (package.Realisation is { } realisation)
                await PutAsync(http, realisation, ForeignHttp.Text(JsonSerializer.Serialize(new { outPath = path.Path.BaseName }),
                    "application/json"), isOld, cancellationToken);
        }
    }

    private async Task<bool> IsThereAsync(ForeignHttp http, string key, CancellationToken cancellationToken,
        HttpMethod? method = null) =>
        (await http.SendAsync(method ?? HttpMethod.Get, $"{_write}/{key}", null, cancellationToken))
            .OrThrow($"{method} {key}", HttpStatusCode.OK, HttpStatusCode.NotFound).Status == HttpStatusCode.OK;

    private async Task PutAsync(ForeignHttp http, string key, Func<HttpContent> content, bool isOld,
        CancellationToken cancellationToken)
    {
        var path = $"{_write}/{key}";
        if (!isOld)
        {
            (await http.SendAsync(HttpMethod.Put, path, content, cancellationToken)).OrThrow($"PUT {key}", Accepted);
            return;
        }

        // What would be sent again would have no body, and be refused: somebody runs the command again.
        ForeignAnswer answer;
        try
        {
            answer = await http.OnceAsync(HttpMethod.Put, path, content, anonymous: false, cancellationToken);
        }
        catch (Exception e) when (RetryPolicy.AsTransient(e) is not null && !cancellationToken.IsCancellationRequested)
        {
            throw new BeginAgainException("nix: a PUT failed", e.Message);
        }

        if (answer.Is(HttpStatusCode.FailedDependency))
            throw new BeginAgainException("nix: 424", answer.Text);
        answer.OrThrow($"PUT {key}", Accepted);
    }

    // Held as it is, it cannot be refused.
    private async Task PinAsync(StorePath path, CancellationToken stopped)
    {
        try
        {
            (await _new.SendAsync(HttpMethod.Post, $"{_write}/pin/{path.Hash}.narinfo", null, stopped))
                .OrThrow("ncps's pin", HttpStatusCode.OK);
            tally.Count("pins moved");
            var pinned = (await _new.SendAsync(HttpMethod.Get, $"{_write}/pins", null, stopped))
                .OrThrow("ncps's pins", HttpStatusCode.OK).Text;
            if (!pinned.Contains(path.Hash.ToString(), StringComparison.Ordinal))
                tally.Violation($"I7: {path.BaseName} was pinned as ncps does, and is not among {pinned}");
            if (_pinned is { } before && before != path)
                (await _new.SendAsync(HttpMethod.Delete, $"{_write}/pin/{before.Hash}.narinfo", null, stopped))
                    .OrThrow("the end of ncps's pin", HttpStatusCode.OK);
            _pinned = path;
        }
        catch (Exception e) when (!stopped.IsCancellationRequested)
        {
            tally.Violation($"ncps's pin of {path.BaseName}: {e.GetType().Name} {e.Message}");
        }
    }

    private static Task EachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, Task> action, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
        items, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (item, c) =>
            await action(item, c));

    private static ForeignHttp Http(HttpMessageInvoker balancer, NixCredential credential, RetryPolicy retry, string userAgent) => new(
        balancer, retry,
        new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{credential.Secret}"))), userAgent);

    /// <param name="IsPlain">Not compressed.</param>
    private sealed record NixFile(CargoPath Path, bool IsPlain)
    {
        public byte[] Body => IsPlain ? Path.Build.Nar : Path.Build.File;

        public Sha256Hash FileHash => IsPlain ? Path.Build.NarHash : Path.Build.FileHash;

        public string NarUrl => $"nar/{FileHash.ToNix32()}.nar{(IsPlain ? "" : ".zst")}";

        public string InfoUrl => $"{Path.Path.Hash}.narinfo";

        public NarInfo Info => new()
        {
            StorePath = Path.Path,
            Url = NarUrl,
            Compression = IsPlain ? "none" : "zstd",
            FileHash = FileHash,
            FileSize = Body.Length,
            NarHash = Path.Build.NarHash,
            NarSize = Path.Build.Nar.Length,
            References = Path.References,
            Deriver = Path.Package.Deriver,
        };
    }
}
