using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Tokens;

/// <summary>
/// The audience that a job asks for a token for. Nothing has proven yet who the server is, and whoever has a token can use it wherever its
/// audience counts. So what the server names is taken only where it is the server's own URL.
/// </summary>
internal static class JobAudience
{
    /// <summary>The variable of a job that says which forge runs it, such as <c>https://github.com</c>.</summary>
    public const string ForgeVariable = "GITHUB_SERVER_URL";

    private const string GitHub = "https://github.com";
    private const string GitHubIssuer = "https://token.actions.githubusercontent.com";

    /// <param name="login">What the server says.</param>
    /// <param name="server">Its URL, as the client was given it.</param>
    /// <param name="forge">Who gives the job its token; null: nobody knows.</param>
    /// <exception cref="CliException">The server names other audiences alone.</exception>
    public static string Of(LoginInfo login, Uri server, string? forge)
    {
        var ofForge = login.Issuers.Where(i => IsOf(i.Issuer, forge)).Select(i => i.Audience).ToList();
        var offered = ofForge.Count > 0 ? ofForge : [.. login.Issuers.Select(i => i.Audience)];
        return offered.Find(audience => IsUrlOf(server, audience)) ?? throw new CliException(ExitCodes.Refused,
            $"{server} asks for identities of jobs for the audience '{Text.Printable(offered[0])}', which is not its URL: with such a token it " +
            "could pass for this job wherever that audience counts, so none was asked for. If whoever runs the server confirms it, name it " +
            "with --audience or ORLEANS_CACHE_AUDIENCE.")
        { IsComplete = true };
    }

    /// <summary>Is the audience the URL of the server, or its origin?</summary>
    internal static bool IsUrlOf(Uri server, string audience) =>
        audience.All(c => c is > ' ' and < '\x7f' and not ('?' or '#' or '@' or '\\'))
        && Uri.TryCreate(audience, UriKind.Absolute, out var url) && url.Scheme == server.Scheme && url.Port == server.Port
        && url.IdnHost.Equals(server.IdnHost, StringComparison.OrdinalIgnoreCase)
        && (Path(url).Length == 0 || Path(url) == Path(server));

    // Other forges are issuers of their own, at a path or at a name below theirs.
    private static bool IsOf(string issuer, string? forge) => forge is not null && (forge.TrimEnd('/') == GitHub
        ? issuer == GitHubIssuer || issuer.StartsWith(GitHubIssuer + "/", StringComparison.Ordinal)
        : Uri.TryCreate(issuer, UriKind.Absolute, out var url) && Uri.TryCreate(forge, UriKind.Absolute, out var own)
            && (url.Authority == own.Authority || url.Host.EndsWith($".{own.Host}", StringComparison.Ordinal)));

    private static string Path(Uri url) => url.AbsolutePath.TrimEnd('/');
}
