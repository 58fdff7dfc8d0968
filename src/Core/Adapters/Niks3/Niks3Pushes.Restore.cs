using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Pushes;

namespace OrleansCache.Core.Adapters.Niks3;

/// <summary>
/// What a client's look at the store finds missing. The server writes narinfos again itself; a NAR the client brings again, under the key
/// that it has, by one PUT to the gateway, which reads it first.
/// </summary>
internal sealed partial class Niks3Pushes
{
    private const int VerifiedAtOnce = 32;
    private const int NarInfosAtOnce = 2_000;

    // As much as the gateway takes by one PUT.
    private const long MaxRestored = 24 << 20;

    private async Task<IEnumerable<UploadGrantId>> RestoreAsync(int cache, OwnPush push, IReadOnlyList<OpenedPath> promised,
        Niks3Push request, CancellationToken cancellationToken)
    {
        // 1. Look.
        var paths = await catalog.KeysAsync([.. promised.Select(p => p.Id)], cancellationToken);
        var there = new bool[paths.Count * 2];
        await Parallel.ForAsync(0, there.Length, new ParallelOptions
        {
            MaxDegreeOfParallelism = VerifiedAtOnce,
            CancellationToken = cancellationToken
        }, async (i, stop) => there[i] = await store.HeadAsync(i % 2 == 0 ? ObjectKey.NarInfo(paths[i / 2].Path) : paths[i / 2].Nar, stop)
            is not null);
        var lost = paths.Where((_, i) => !there[(i * 2) + 1]).ToList();

        // 2. What nobody can bring by one PUT is an error, before anything is changed.
        var declared = promised.ToDictionary(p => p.Id, p => request.Paths[p.Index].NarHash);
        if (lost.FirstOrDefault(p => p.NarSize > MaxRestored || declared[p.Id] != p.NarHash) is { } beyond)
            throw new CacheProblemException(ProblemKind.MissingPaths,
                $"The catalog has {beyond.Nar}, and the store has not: the store was changed by somebody else, and " +
                (beyond.NarSize > MaxRestored ? $"a NAR of {beyond.NarSize} bytes is not taken again in one piece. "
                    : "this client has another build of the path. ") + "'orleans-cache fsck' tells all that is missing.");

        // 3. Narinfos now, NARs from the client.
        var narInfos = paths.Where((_, i) => !there[i * 2]).Select(p => p.Id).ToArray();
        foreach (var some in narInfos.Chunk(NarInfosAtOnce))
        {
            await catalog.RewriteAsync(cache, some, cancellationToken);
            await publisher.RefreshAsync(cache, cancellationToken);
        }

        return lost.Count == 0 ? [] : await catalog.AwaitAsync(cache, push, [.. lost.Select(p => p.Object).Distinct()],
            options.Niks3Life, cancellationToken);
    }

    /// <summary>Takes a NAR that is awaited again; false: it is not.</summary>
    private async Task<bool> TakeAgainAsync(int cache, OwnPush push, string upload, UploadGrantId grantId, ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken)
    {
        if (!await catalog.IsAwaitedAsync(cache, push, grantId, cancellationToken))
            return false;
        // Somebody else may have brought it. Of an attempt of this client's that was not recorded the file is the same.
        if (await store.HeadAsync(grantId.Key, cancellationToken) is { } there
            && (there.Size != file.Length || there.ETag is { } etag && etag != Convert.ToHexStringLower(MD5.HashData(file.Span))))
            return true;
        var found = await StoreAsync(upload, grantId, file, cancellationToken);
        if (!await catalog.RestoredAsync(cache, push, found, cancellationToken))
            return false;
        await publisher.RefreshAsync(cache, cancellationToken);
        return true;
    }
}
