using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The options of verification.</summary>
internal static class VerifySettings
{
    private const long MaxKib = 1L << 30;
    private static readonly TimeSpan RemoteAfter = TimeSpan.FromSeconds(30);

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
        // Without a silo it is in a remote region, and others are nearer to the bucket.
        var isRemote = ServerSettings.Flag("no-silo", one) && !ServerSettings.Flag("verify-here", one);
        var options = new VerifyOptions { Policy = policy, After = isRemote ? RemoteAfter : TimeSpan.Zero };
        return one("scrub-rate") is not { } text ? options
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var kib) && kib <= MaxKib
                ? options with { ScrubRate = kib << 10 }
                : throw new StartupException($"--scrub-rate is '{text}': KiB a second up to {MaxKib} are wanted; 0 reads nothing again.");
    }

    /// <summary>One line for the start: what is read in the store.</summary>
    public static string Describe(VerifyOptions options)
    {
        var scrub = options.ScrubRate == 0 ? "no scrub"
            : string.Create(CultureInfo.InvariantCulture, $"scrub: {options.ScrubRate >> 10} KiB a second");
        return options.Policy switch
        {
            VerifyPolicy.Off => "verification: off, what is uploaded is taken for what was declared",
            VerifyPolicy.Adopt => $"verification: adopt, what one trust group takes from another is read first; {scrub}",
            VerifyPolicy.Always => $"verification: always, nothing is signed unread; {scrub}",
        };
    }
}
