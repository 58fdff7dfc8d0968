using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The options <c>--quota-…</c> and <c>--quota-group-…</c>.</summary>
internal static class QuotaSettings
{
    private const long MaxNumber = 1_000_000_000;
    private const long MaxGibibytes = 1 << 30;

    /// <exception cref="StartupException">One of them is wrong; the message says which and how.</exception>
    public static Quotas From(Func<string, string?> one) => new() { Publisher = Limits("quota", one), Group = Limits("quota-group", one) };

    private static QuotaLimits Limits(string whose, Func<string, string?> one)
    {
        return new QuotaLimits
        {
            OpenPushes = Number("pushes", MaxNumber),
            ClaimedBytes = Number("uploads-gib", MaxGibibytes) << 30,
            StoredBytes = Number("stored-gib", MaxGibibytes) << 30,
            Roots = Number("roots", MaxNumber),
        };

        long Number(string name, long most) => one($"{whose}-{name}") is not { } text ? 0
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most ? number
            : throw new StartupException(string.Create(CultureInfo.InvariantCulture,
                $"--{whose}-{name} is '{text}': a number up to {most} is wanted; 0 is no quota."));
    }
}
