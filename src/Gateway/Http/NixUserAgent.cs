namespace OrleansCache.Gateway.Http;

/// <summary>
/// A Nix before 2.33.2 repeats a PUT with its whole Content-Length and no body, so no answer may make it repeat one. Lix has the same code,
/// and counts as old.
/// </summary>
internal static class NixUserAgent
{
    private static readonly Version Repaired = new(2, 33, 2);

    public static bool Sent(HttpRequest request) => IsOld(request.Headers.UserAgent.ToString());

    /// <summary>
    /// True when any Nix, old or new, sent this. No Nix heeds the <c>Retry-After</c> of a 429: a new one stands still for a minute.
    /// </summary>
    public static bool SentByAny(HttpRequest request) => request.Headers.UserAgent.ToString() is var userAgent
        && (After(userAgent, "Lix/") ?? After(userAgent, "Nix/")) is not null;

    /// <param name="userAgent">Such as <c>curl/8.14.1 Nix/2.28.3</c>; an unreadable version counts as old.</param>
    public static bool IsOld(string userAgent)
    {
        if (After(userAgent, "Lix/") is not null)
            return true;
        if (After(userAgent, "Nix/") is not { } version)
            return false;
        var text = version.AsSpan();
        // A pre-release is called 2.34.0pre20260101_abcdef: the leading numbers count.
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.'))
            end++;
        text = text[..end].TrimEnd('.');
        return !Version.TryParse(text, out var number) || number < Repaired;
    }

    private static string? After(string userAgent, string product)
    {
        var at = userAgent.IndexOf(product, StringComparison.Ordinal);
        return at < 0 || at > 0 && userAgent[at - 1] != ' ' ? null : userAgent[(at + product.Length)..];
    }
}
