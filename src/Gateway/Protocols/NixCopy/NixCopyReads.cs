using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.NixCopy;

/// <summary>
/// GET and HEAD under the write URL by a credential that may write. A 200 makes stock Nix leave out a path or NAR, so it is a promise, and
/// a hold keeps it before the answer. The client may name a NAR by its file's hash. Who may not read a private cache is told only of what
/// his own trust group has put there.
/// </summary>
internal static class NixCopyReads
{
    private const string NarInfo = ".narinfo";
    private const string Nar = "nar/";
    private const string Listing = ".ls";

    public static async Task SendAsync(HttpContext http, ObjectKey key, CacheView view, GatewayParts parts)
    {
        var caller = http.Credential().Caller;
        var text = key.ToString();
        if (text.EndsWith(NarInfo, StringComparison.Ordinal) && StorePathHash.TryParse(text.AsSpan(0, text.Length - NarInfo.Length),
            out var path))
        {
            if (!await parts.NixCopy.PromisePathAsync(view.Name, caller, path, http.RequestAborted))
            {
                await ObjectAnswer.NotFoundAsync(http);
                return;
            }
        }
        else if (text.StartsWith(Nar, StringComparison.Ordinal) && NarFileName.TryParse(text[Nar.Length..], out var name)
            && await parts.NixCopy.PromiseNarAsync(view.Name, caller, name, http.RequestAborted) is { } nar)
        {
            key = nar.Key;
        }
        else
        {
            var isTold = caller.ReadsOthers || await IsOwnAsync(http, key, caller, view, parts);
            if (!text.StartsWith(Nar, StringComparison.Ordinal)
                && (!isTold || await view.Store.HeadAsync(key, http.RequestAborted) is null)
                && await parts.NixCopy.FindWaitingAsync(view.Name, caller, key, http.RequestAborted) is { } waiting)
            {
                await SendWaitingAsync(http, key, waiting);
                return;
            }

            if (!isTold)
            {
                await ObjectAnswer.NotFoundAsync(http);
                return;
            }
        }

        await ObjectAnswer.SendAsync(http, key, view.Store);
    }

    // Of what belongs to a path its publisher is told, of a NAR under its key and of a log who put it.
    private static Task<bool> IsOwnAsync(HttpContext http, ObjectKey key, Caller caller, CacheView view, GatewayParts parts) =>
        key.ToString() is var text && text.EndsWith(Listing, StringComparison.Ordinal)
        && StorePathHash.TryParse(text.AsSpan(0, text.Length - Listing.Length), out var path)
            ? parts.Contents.HasPathAsync(view.Name, caller, path, withListing: true, http.RequestAborted)
            : parts.Contents.HasObjectAsync(view.Name, caller, key, http.RequestAborted);

    private static async Task SendWaitingAsync(HttpContext http, ObjectKey key, byte[] content)
    {
        var headers = KeyHeaders.For(key);
        var plain = headers.ContentEncoding is null ? content : Zstd.Decompress(content, NixCopyRoutes.MaxText, Zstd.BodyWindowLog);
        http.Response.ContentType = headers.ContentType;
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentLength = plain.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
            await http.Response.Body.WriteAsync(plain, http.RequestAborted);
    }
}
