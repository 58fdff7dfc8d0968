using System.Runtime.CompilerServices;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Store;

namespace OrleansCache.Core.Inspect;

/// <summary>
/// 1. The bucket is listed once; each batch of keys is compared with its rows, and the rows whose object was seen are noted.
/// 2. The catalog is read once, by id: what must be in the bucket and was not seen is a suspicion, as is what looked wrong in 1.
/// 3. A suspicion is looked at again: row, object, row. When the rows are the same before and after, the object that was read between them
/// decides.
/// </summary>
internal sealed class CatalogFsck(CacheDirectory caches, FsckCatalog catalog, IObjectStore store, TimeSpan multipartAge,
    TimeProvider time) : IFsck
{
    private const int Batch = 1_000;
    private const int LooksAtOnce = 32;
    private const int MaxLooks = 5;

    // A narinfo has some hundred bytes for each reference, so no narinfo is larger.
    private const int MaxText = 16 << 20;

    public IAsyncEnumerable<FsckFinding> CheckAsync(CacheName cache, FsckTally tally, CancellationToken cancellationToken) =>
        CheckAsync(caches.IdOf(cache), tally, cancellationToken);

    private async IAsyncEnumerable<FsckFinding> CheckAsync(int cache, FsckTally tally,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = new Seen();
        var suspicions = new List<FsckKey>();

        // 1. Bucket against catalog.
        var listed = new List<(FsckKey Key, FoundObject Found)>(Batch);
        await foreach (var info in store.ListAsync("", cancellationToken))
        {
            var key = FsckKey.Of(info.Key);
            if (key.Kind == KeyKind.Other)
                continue;
            tally.Keys++;
            listed.Add((key, new FoundObject(info.Size, info.ETag)));
            if (listed.Count < Batch)
                continue;
            suspicions.AddRange(await CompareAsync(cache, listed, seen, cancellationToken));
            listed.Clear();
            if (suspicions.Count < Batch)
                continue;
            foreach (var finding in await LookAgainAsync(cache, suspicions, cancellationToken))
                yield return finding;
        }

        suspicions.AddRange(await CompareAsync(cache, listed, seen, cancellationToken));

        // 2. Catalog against bucket, and against itself.
        await foreach (var page in NotSeenAsync(cache, seen, tally, cancellationToken))
        {
            foreach (var finding in page.Dangling)
                yield return finding;
            suspicions.AddRange(page.Keys);
            if (suspicions.Count < Batch)
                continue;
            foreach (var finding in await LookAgainAsync(cache, suspicions, cancellationToken))
                yield return finding;
        }

        foreach (var finding in await LookAgainAsync(cache, suspicions, cancellationToken))
            yield return finding;
        foreach (var finding in await MultipartsAsync(cache, tally, cancellationToken))
            yield return finding;
    }

    private async Task<List<FsckKey>> CompareAsync(int cache, List<(FsckKey Key, FoundObject Found)> listed, Seen seen,
        CancellationToken cancellationToken)
    {
        if (listed.Count == 0)
            return [];
        var rows = await catalog.RowsAsync(cache, [.. listed.Select(l => l.Key)], cancellationToken);
        var suspicions = new List<FsckKey>();
        foreach (var (key, found) in listed)
        {
            var row = rows.GetValueOrDefault(key.Key);
            if (row is not null)
                seen.Of(key.Kind).Add(row.Id);
            if (!FsckComparison.IsRight(key, row, found))
                suspicions.Add(key);
        }

        return suspicions;
    }

    private async IAsyncEnumerable<(List<FsckFinding> Dangling, List<FsckKey> Keys)> NotSeenAsync(int cache, Seen seen, FsckTally tally,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (long after = 0; ;)
        {
            var page = await catalog.PathPageAsync(cache, after, Batch, cancellationToken);
            if (page.Count == 0)
                break;
            tally.Paths += page.Count;
            yield return (await catalog.DanglingAsync(cache, after, page[^1].Id, cancellationToken), [
                .. page.Where(p => !seen.NarInfos.Contains(p.Id)).Select(p => FsckKey.NarInfo(p.Hash)),
                .. page.Where(p => p.HasListing && !seen.Listings.Contains(p.Id)).Select(p => FsckKey.Listing(p.Hash))]);
            after = page[^1].Id;
        }

        for (long after = 0; ;)
        {
            var page = await catalog.ObjectPageAsync(cache, after, Batch, cancellationToken);
            if (page.Count == 0)
                break;
            tally.Objects += page.Count;
            yield return ([], [.. page.Where(o => o.Presence == Presence.Must && !seen.Objects.Contains(o.Id))
                .Select(o => FsckKey.Of(o.Key))]);
            after = page[^1].Id;
        }

        for (long after = 0; ;)
        {
            var page = await catalog.PinPageAsync(cache, after, Batch, cancellationToken);
            if (page.Count == 0)
                break;
            tally.Pins += page.Count;
            yield return ([], [.. page.Where(p => p.Presence == Presence.Must && !seen.Pins.Contains(p.Id))
                .Select(p => FsckKey.Pin(p.Name))]);
            after = page[^1].Id;
        }

        yield return (await catalog.DanglingPinsAsync(cache, cancellationToken), []);
        yield return (await catalog.UnequalListsAsync(cache, cancellationToken), []);
    }

    /// <summary>The findings that a second look confirms; it empties the list.</summary>
    private async Task<List<FsckFinding>> LookAgainAsync(int cache, List<FsckKey> suspicions, CancellationToken cancellationToken)
    {
        var findings = new List<FsckFinding>();
        foreach (var batch in suspicions.Chunk(Batch))
        {
            // A key whose rows change at every look is at work; the next check sees the end of it.
            FsckKey[] open = batch;
            for (var looks = 0; looks < MaxLooks && open.Length > 0; looks++)
            {
                var before = await catalog.RowsAsync(cache, open, cancellationToken);
                var found = new FoundObject?[open.Length];
                await Parallel.ForAsync(0, open.Length,
                    new ParallelOptions { MaxDegreeOfParallelism = LooksAtOnce, CancellationToken = cancellationToken },
                    async (i, stop) => found[i] = await LookAsync(open[i], stop));
                var after = await catalog.RowsAsync(cache, open, cancellationToken);
                var changed = new List<FsckKey>();
                for (var i = 0; i < open.Length; i++)
                {
                    var row = after.GetValueOrDefault(open[i].Key);
                    if (row?.Version != before.GetValueOrDefault(open[i].Key)?.Version)
                        changed.Add(open[i]);
                    else if (FsckComparison.Compare(open[i], row, found[i]) is { } finding)
                        findings.Add(finding);
                }

                open = [.. changed];
            }
        }

        suspicions.Clear();
        return findings;
    }

    private async Task<FoundObject?> LookAsync(FsckKey key, CancellationToken cancellationToken)
    {
        if (key.Kind is not (KeyKind.NarInfo or KeyKind.Pin))
            return await store.HeadAsync(key.Key, cancellationToken) is { } info ? new FoundObject(info.Size, info.ETag) : null;
        await using var body = await store.GetAsync(key.Key, null, cancellationToken);
        if (body is null)
            return null;
        var bytes = new byte[Math.Min(body.Length, MaxText)];
        await body.Stream.ReadExactlyAsync(bytes, cancellationToken);
        return new FoundObject(body.Info.Size, body.Info.ETag, Encoding.UTF8.GetString(bytes));
    }

    // A row with the key precedes each multipart upload, and the upload's id follows. The housekeeping discards an upload whose id was
    // never noted once its URLs have expired; an older one, or one without any row, is left over.
    private async Task<List<FsckFinding>> MultipartsAsync(int cache, FsckTally tally, CancellationToken cancellationToken)
    {
        var first = await LeftOverAsync(null);
        // One that ended between the listing and the look at its row is not listed again.
        return first.Count == 0 ? [] : [.. (await LeftOverAsync(first)).Values];

        async Task<Dictionary<string, FsckFinding>> LeftOverAsync(Dictionary<string, FsckFinding>? among)
        {
            var findings = new Dictionary<string, FsckFinding>(StringComparer.Ordinal);
            var batch = new List<OpenMultipart>(Batch);
            await foreach (var open in store.ListMultipartAsync(cancellationToken))
            {
                if (FsckKey.Of(open.Key).Kind != KeyKind.Object || among?.ContainsKey(open.UploadId) == false)
                    continue;
                tally.Multiparts += among is null ? 1 : 0;
                batch.Add(open);
                if (batch.Count < Batch)
                    continue;
                await CompareAsync(batch, findings);
                batch.Clear();
            }

            await CompareAsync(batch, findings);
            return findings;
        }

        async Task CompareAsync(List<OpenMultipart> batch, Dictionary<string, FsckFinding> findings)
        {
            if (batch.Count == 0)
                return;
            var old = time.GetUtcNow() - multipartAge;
            var initiated = batch.ToDictionary(b => b.UploadId, b => b.Initiated, StringComparer.Ordinal);
            foreach (var (key, id, known) in await catalog.UnknownMultipartsAsync(cache, batch, cancellationToken))
            {
                if (known && initiated[id] >= old)
                    continue;
                findings[id] = new FsckFinding
                {
                    Kind = FsckKind.UnknownMultipart,
                    Key = key,
                    Detail = $"A multipart upload is open since {initiated[id]:u}, and " +
                        $"{(known ? "its key's row does not note it" : "no row has its key")}.",
                };
            }
        }
    }

    private sealed class Seen
    {
        public IdSet NarInfos { get; } = new();

        public IdSet Listings { get; } = new();

        public IdSet Objects { get; } = new();

        public IdSet Pins { get; } = new();

        public IdSet Of(KeyKind kind) => kind switch
        {
            KeyKind.NarInfo => NarInfos,
            KeyKind.Listing => Listings,
            KeyKind.Pin => Pins,
            _ => Objects,
        };
    }
}
