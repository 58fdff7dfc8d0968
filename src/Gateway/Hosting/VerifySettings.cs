using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The options of verification.</summary>
internal static class VerifySettings
{
    private const long MaxKib = 1L << 30;

    /// <exception cref="StartupException">One of them is wrong.</exception>
    public static VerifyOptions From(Func<string, string?> one)
    {
        var policy = one("verify") switch
        {
            null or "adopt" => VerifyPolicy.Adopt,
            "always" => VerifyPolicy.Always,
            "off" => VerifyPolicy.Off,
            var other => throw new StartupException($"--verify is '{other}': adopt, always or off is wanted."),
        };
        var options = new VerifyOptions { Policy = policy };
        return one("scrub-rate") is not { } text ? options
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var kib) && kib <= MaxKib
                ? options with { ScrubRate = kib << 10 }
                : throw new StartupException($"--scrub-rate is '{text}': KiB a second up to {MaxKib} are wanted; 0 reads nothing again.");
    }
}
