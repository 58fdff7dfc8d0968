using System.Globalization;
using System.Text.RegularExpressions;

namespace OrleansCache.Gateway.NixWriter;

/// <summary>What a <c>User-Agent</c> such as <c>curl/7.88.1 Nix/2.8.0</c> says about the Nix that sends it.</summary>
internal static partial class NixClient
{
    private static readonly Version Mended = new(2, 33, 2);

    /// <summary>
    /// True for a Nix before 2.33.2: when it is asked to try a PUT again (408, 429, 5xx, a broken connection), it declares the body's length anew and sends no body.
    /// So it is told "no" for good, and a person or a script runs the command again. Lix comes from the same code, and is taken for old.
    /// </summary>
    public static bool RetriesWithoutBody(HttpRequest request)
    {
        var agent = request.Headers.UserAgent.ToString();
        if (Program().Match(agent) is not { Success: true } match)
            return false;
        return match.Groups["name"].Value == "Lix"
            || new Version(Number(match, "major"), Number(match, "minor"), match.Groups["patch"].Success ? Number(match, "patch") : 0) < Mended;
    }

    private static int Number(Match match, string group) => int.Parse(match.Groups[group].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(?:^|\s)(?<name>Nix|Lix)/(?<major>\d{1,6})\.(?<minor>\d{1,6})(?:\.(?<patch>\d{1,6}))?", RegexOptions.ExplicitCapture)]
    private static partial Regex Program();
}
