using Microsoft.Net.Http.Headers;
using OrleansCache.Core.Store;

namespace OrleansCache.Gateway.Reads;

/// <summary>
/// The one byte range of a request. Several ranges, other units and nonsense get the whole object, as RFC 9110, 14.2 allows.
/// </summary>
internal static class SingleRange
{
    /// <param name="request">Has Range and If-Range.</param>
    /// <param name="size">The object's size in bytes.</param>
    /// <param name="etag">The object's ETag.</param>
    /// <param name="lastModified">The object's time.</param>
    /// <param name="unsatisfiable">True when the range begins beyond the end: 416.</param>
    public static ByteRange? Find(HttpRequest request, long size, EntityTagHeaderValue etag, DateTimeOffset lastModified,
        out bool unsatisfiable)
    {
        unsatisfiable = false;
        var headers = request.GetTypedHeaders();
        if (!HttpMethods.IsGet(request.Method) || headers.Range is not { } sent || sent.Unit != "bytes" || sent.Ranges.Count != 1
            || !MayUse(headers.IfRange, etag, lastModified))
            return null;
        var one = sent.Ranges.First();
        // "-n": the last n bytes; "a-" and "a-b": from a, to b at most.
        var (first, last) = one.From is { } from ? (from, Math.Min(one.To ?? long.MaxValue, size - 1))
            : (Math.Max(0, size - (one.To ?? 0)), size - 1);
        if (first < size && last >= first)
            return new ByteRange(first, last);
        unsatisfiable = true;
        return null;
    }

    private static bool MayUse(RangeConditionHeaderValue? condition, EntityTagHeaderValue etag, DateTimeOffset lastModified) =>
        condition is null
        || (condition.EntityTag is { } tag ? tag.Compare(etag, useStrongComparison: true)
            : condition.LastModified?.ToUnixTimeSeconds() == lastModified.ToUnixTimeSeconds());
}
