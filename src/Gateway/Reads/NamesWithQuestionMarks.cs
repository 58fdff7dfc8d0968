namespace OrleansCache.Gateway.Reads;

/// <summary>
/// Takes a <c>?</c> in a derivation's or output's name for part of the path: stock Nix sends it unescaped. It applies below the folders of
/// such names alone, and before routing, as a slash may follow.
/// </summary>
internal sealed class NamesWithQuestionMarks(RequestDelegate next)
{
    private static readonly (string Folder, string Ending)[] Named = [("/log/", ".drv"), ("/realisations/", ".doi"),
        ("/build-trace-v2/", ".doi")];

    public Task InvokeAsync(HttpContext http)
    {
        var request = http.Request;
        if (request.QueryString is { HasValue: true, Value: var rest } && Belongs(request.Path.Value!, rest))
            (request.Path, request.QueryString) = (new PathString(request.Path.Value + Uri.UnescapeDataString(rest)), QueryString.Empty);
        return next(http);
    }

    // Below the root, or below /c/{cache}.
    private static bool Belongs(string path, string rest)
    {
        var at = path.StartsWith("/c/", StringComparison.Ordinal) && path.IndexOf('/', 3) is > 0 and var end ? end : 0;
        foreach (var (folder, ending) in Named)
        {
            if (path.AsSpan(at).StartsWith(folder, StringComparison.Ordinal))
                return rest.EndsWith(ending, StringComparison.Ordinal);
        }

        return false;
    }
}
