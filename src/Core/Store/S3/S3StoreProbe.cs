using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Finds out how the store behaves in this bucket, by the operations of pushes, readers and collections on one object: S3 servers differ,
/// and so do settings of buckets.
/// </summary>
/// <remarks>
/// 1. A listing. 2. A PUT by a presigned URL, as clients of niks3 send it. 3. The same again: is <c>If-None-Match</c> heeded? 4. With its
/// MD5, as our clients send it, and with another one. 5. GET, whole and in part; the ETag. 6. Is it listed? 7. The deletion, as collections
/// do it; where the store refuses that, the deletion of one key. Nothing is written where a retention would keep it.
/// </remarks>
internal sealed class S3StoreProbe(IObjectStore store, S3FencedWrites fenced, S3ProbeRequests requests, TimeProvider clock)
{
    private const int Attempts = 5;
    private static readonly ObjectKey Key = ObjectKey.Parse("store-probe");
    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(10);
    private static readonly byte[] Body =
        Encoding.UTF8.GetBytes("A server of the cache asks what this store can do. This may be deleted.\n");
    private static readonly Dictionary<string, string> Once = new() { ["if-none-match"] = "*" };

    /// <exception cref="ObjectStoreException">The store did not tell, or refuses what a cache needs.</exception>
    public async Task<StoreTraits> RunAsync(bool hasRetention, CancellationToken cancellationToken)
    {
        // 1. The listing comes first, as no answer to a presigned request tells that the clock is off.
        await IsListedAsync(cancellationToken);
        if (hasRetention)
            return await ProbeBucketAsync(cancellationToken);
        for (var attempt = 1; ; attempt++)
        {
            if (await TryAsync(attempt == Attempts, cancellationToken) is { } traits)
                return traits;
            await Task.Delay(Backoff.Pause(attempt), cancellationToken);
        }
    }

    /// <returns>Null: the object was gone, as another server's probe may have deleted it in between.</returns>
    private async Task<StoreTraits?> TryAsync(bool isLast, CancellationToken cancellationToken)
    {
        // 2.
        var put = await PutAsync(Once, cancellationToken);
        if (IsLocked(put))
            return await ProbeBucketAsync(cancellationToken);
        var knows = put.Status is not (400 or 405 or 501);
        if (!knows)
            put = await PutAsync(null, cancellationToken);
        if (!put.IsSuccess && put.Status != 412)
            throw Refused("PUT", put.Answer!);
        try
        {
            // 3. Tried twice, as another server's probe may delete the object in between; it may also have left one.
            var holds = knows && (put.Status == 412 || (await PutAsync(Once, cancellationToken)).Status == 412
                || (await PutAsync(Once, cancellationToken)).Status == 412);

            // 4.
            var summed = await PutAsync(null, cancellationToken, MD5.HashData(Body));
            if (!summed.IsSuccess)
                throw summed.Status is 400 or 405 or 501 ? RefusedMd5(summed.Answer!) : Refused("PUT", summed.Answer!);
            var compares = !(await PutAsync(null, cancellationToken, MD5.HashData([]))).IsSuccess;

            // 5.
            var get = await requests.SendAsync("GET", Key, null, cancellationToken);
            if (get.Status == 404 && !isLast)
                return null;
            if (!get.IsSuccess)
                throw Refused("GET", get.Answer!);
            if (!get.Body.AsSpan().SequenceEqual(Body))
                throw Refused("GET", new StoreAnswer(StoreStep.Refuse, "other bytes",
                    "What was put is not what is there. Let no proxy before the store change bodies."));
            var part = await requests.SendAsync("GET", Key, null, cancellationToken, range: "bytes=2-5");

            // 6.
            var isListed = await IsListedAsync(cancellationToken);
            if (!isListed && !isLast)
                return null;
            if (!isListed)
                throw Refused("LIST",
                    new StoreAnswer(StoreStep.Refuse, "other keys",
                    "The bucket does not list what was put into it. Is --s3-endpoint the URL of the store's S3 service, without the bucket?"));

            // 7.
            var (deletion, deletesMany) = await DeleteAsync(cancellationToken);
            return new StoreTraits
            {
                EtagIsMd5 = get.ETag == Convert.ToHexStringLower(MD5.HashData(Body)),
                ComparesMd5 = compares,
                KnowsIfNoneMatch = knows,
                HoldsIfNoneMatch = holds,
                AnswersRanges = part.Status is 404 || (part.Status == 206 && part.Body.AsSpan().SequenceEqual(Body.AsSpan(2..6))),
                DeletionRefused = deletion.Answer is { IsRefusal: true } refusal ? refusal : null,
                DeletesMany = deletesMany,
                Ahead = put.Date - clock.GetUtcNow() ?? TimeSpan.Zero,
            };
        }
        catch
        {
            await DeleteAsync(CancellationToken.None);
            throw;
        }
    }

    // The traits that show without a write. If-None-Match is not believed: such buckets have versions, and some servers then ignore it.
    private async Task<StoreTraits> ProbeBucketAsync(CancellationToken cancellationToken)
    {
        var get = await requests.SendAsync("GET", ObjectKey.NixCacheInfo, null, cancellationToken);
        if (!get.IsSuccess && get.Status != 404)
            throw Refused("GET", get.Answer!);
        return new StoreTraits
        {
            HasRetention = true,
            WantsMd5 = true,
            HoldsIfNoneMatch = false,
            EtagIsMd5 = !get.IsSuccess
            || get.ETag == Convert.ToHexStringLower(MD5.HashData(get.Body))
        };
    }

    private Task<ProbeReply> PutAsync(Dictionary<string, string>? headers, CancellationToken cancellationToken, byte[]? md5 = null) =>
        requests.SendAsync("PUT", Key, Body, cancellationToken, headers, md5);

    private async Task<bool> IsListedAsync(CancellationToken cancellationToken)
    {
        await foreach (var found in store.ListAsync(Key.ToString(), cancellationToken))
        {
            if (found.Key == Key)
                return true;
        }

        return false;
    }

    // When neither way works, nothing is known about either.
    private async Task<(FencedOutcome Outcome, bool DeletesMany)> DeleteAsync(CancellationToken cancellationToken)
    {
        var many = (await fenced.DeleteManyAsync([Key], clock.GetUtcNow() + Fence, cancellationToken))[0];
        if (many.Answer is not { IsRefusal: true })
            return (many, true);
        var single = (await fenced.DeleteEachAsync([Key], clock.GetUtcNow() + Fence, cancellationToken))[0];
        return (single, single.Answer is { IsRefusal: true });
    }

    private static bool IsLocked(ProbeReply put) => put.Answer is { } answer
        && (answer.Code == "MissingContentMD5" || (answer.Code == "InvalidRequest" && Encoding.UTF8.GetString(put.Body) is var words
            && (words.Contains("MD5", StringComparison.OrdinalIgnoreCase)
            || words.Contains("checksum", StringComparison.OrdinalIgnoreCase))));

    private static ObjectStoreException Refused(string what, StoreAnswer answer) => new($"{what} {Key}", answer.AsRefusal());

    private static ObjectStoreException RefusedMd5(StoreAnswer answer) => new(
        $"PUT {Key} with Content-MD5",
        new StoreAnswer(StoreStep.Refuse, answer.Code,
        "Clients and the server send the MD5 of what they upload. Let the store, and each proxy before it, take that header and " +
        "leave bodies as they are."));
}

/// <summary>The behaviour of a store in a bucket. The defaults describe a store without flaws.</summary>
public sealed record StoreTraits
{
    /// <summary>The ETag of an object is its body's MD5.</summary>
    public bool EtagIsMd5 { get; init; } = true;

    /// <summary>A body that does not match its <c>Content-MD5</c> is refused.</summary>
    public bool ComparesMd5 { get; init; } = true;

    /// <summary><c>If-None-Match: *</c> is no error.</summary>
    public bool KnowsIfNoneMatch { get; init; } = true;

    /// <summary><c>If-None-Match: *</c> keeps an object from being replaced.</summary>
    public bool HoldsIfNoneMatch { get; init; } = true;

    /// <summary>A body without its MD5 is refused.</summary>
    public bool WantsMd5 { get; init; }

    /// <summary>A written object stays for a time that the bucket sets.</summary>
    public bool HasRetention { get; init; }

    /// <summary>A deleted object stays as an old version.</summary>
    public bool KeepsOldVersions { get; init; }

    /// <summary>A part of an object can be read.</summary>
    public bool AnswersRanges { get; init; } = true;

    /// <summary>Many keys can be deleted by one request.</summary>
    public bool DeletesMany { get; init; } = true;

    /// <summary>The store's refusal of a deletion; null: it refused none.</summary>
    public StoreAnswer? DeletionRefused { get; init; }

    /// <summary>By how much the store's clock is ahead of ours; less than zero: behind.</summary>
    public TimeSpan Ahead { get; init; }
}
