using System.Net;

namespace OrleansCache.Cli.Http;

/// <summary>
/// Compares the URL that the client uses with the one that the server tells readers to use: behind a proxy the server knows its name only
/// from its settings.
/// </summary>
internal static class ServerNames
{
    private const string DefaultCache = "default";

    /// <param name="asked">The URL that the client uses.</param>
    /// <param name="cache">The cache that it asks for.</param>
    /// <param name="named">The one that readers of that cache are told.</param>
    /// <returns>One sentence when the two differ; null when they are the same.</returns>
    public static string? FindDoubt(Uri asked, string cache, Uri named)
    {
        // Other caches than the default one are below it, or have hosts of their own.
        if (cache != DefaultCache)
            return Path(named).EndsWith($"/c/{cache}", StringComparison.Ordinal)
                ? FindDoubt(asked, DefaultCache, new Uri(named.AbsoluteUri.TrimEnd('/')[..^$"/c/{cache}".Length])) : null;
        if (asked.Scheme == named.Scheme && asked.Port == named.Port && Path(asked) == Path(named) && IsSameHost(asked, named))
            return null;
        var needed = $"start the server with --public-url {asked.AbsoluteUri.TrimEnd('/')}";
        return IsLocal(named) && !IsLocal(asked)
            ? $"The server calls itself {named.OriginalString}, which leads every other machine to itself: {needed}."
            : $"The server calls itself {named.OriginalString}, and was asked as {asked.AbsoluteUri.TrimEnd('/')}. If readers cannot use " +
                $"the former, {needed}.";
    }

    private static bool IsSameHost(Uri a, Uri b) => string.Equals(a.IdnHost, b.IdnHost, StringComparison.OrdinalIgnoreCase)
        || (IsLocal(a) && IsLocal(b));

    private static bool IsLocal(Uri url) => url.IsLoopback
        || (IPAddress.TryParse(url.IdnHost, out var address) && IPAddress.IsLoopback(address));

    private static string Path(Uri url) => url.AbsolutePath.TrimEnd('/');
}
