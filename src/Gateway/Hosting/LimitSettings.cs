using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The options <c>--limit-…</c>.</summary>
internal static class LimitSettings
{
    /// <exception cref="StartupException">One of them is wrong; the message says which and how.</exception>
    public static RequestLimits From(Func<string, string?> one)
    {
        var defaults = new RequestLimits();
        var rate = Number("limit-requests", 0, 1_000_000, defaults.RequestRate);
        return new RequestLimits
        {
            JsonBytes = (long)Number("limit-json-mib", 1, 1024, (int)(defaults.JsonBytes >> 20)) << 20,
            BodyBytes = (long)Number("limit-body-memory-mib", 16, 1 << 20, (int)(defaults.BodyBytes >> 20)) << 20,
            Paths = Number("limit-paths", 1, 1_000_000, defaults.Paths),
            References = Number("limit-references", 1, 1_000_000, defaults.References),
            HeaderBytes = Number("limit-header-bytes", 1024, 1 << 20, defaults.HeaderBytes),
            HeaderCount = Number("limit-headers", 20, 10_000, defaults.HeaderCount),
            UrlBytes = Number("limit-url-bytes", 1024, 1 << 20, defaults.UrlBytes),
            Connections = Number("limit-connections", 1, 1_000_000, defaults.Connections),
            RequestRate = rate,
            RequestBurst = Math.Max(rate, Number("limit-request-burst", 1, 10_000_000, rate * 4)),
            FailedLogins = Number("limit-failed-logins", 0, 1_000_000, defaults.FailedLogins),
            Uploads = Number("limit-uploads", 1, 100_000, defaults.Uploads),
            UploadsPerClient = Number("limit-uploads-per-client", 1, 100_000, defaults.UploadsPerClient),
            SlowestBytesPerSecond = Number("limit-slowest-bytes", 1, 1 << 20, defaults.SlowestBytesPerSecond),
            Stall = Duration("limit-stall", defaults.Stall),
        };

        int Number(string name, int least, int most, int otherwise) => one(name) is not { } text ? otherwise
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least
                && number <= most ? number
            : throw new StartupException(string.Create(CultureInfo.InvariantCulture,
                $"--{name} is '{text}': a number from {least} to {most} is wanted."));

        TimeSpan Duration(string name, TimeSpan otherwise) => one(name) is not { } text ? otherwise
            : !DurationText.TryParse(text, out var duration, out var error) ? throw new StartupException($"--{name} {error}.")
            : duration >= TimeSpan.FromSeconds(2) ? duration : throw new StartupException($"--{name} is '{text}': at least 2s is wanted.");
    }
}
