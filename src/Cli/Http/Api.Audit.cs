using System.Globalization;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Http;

/// <summary>The audit log.</summary>
internal sealed partial class Api
{
    private const int AuditPageSize = 500;

    /// <param name="by">A publisher; null: anybody.</param>
    /// <param name="action">Null: all.</param>
    /// <param name="after">The previous page's <see cref="AuditPage.Next"/>; null: the newest lines.</param>
    public Task<AuditPage> AuditAsync(DateTimeOffset? since, string? by, string? action, string? after, CancellationToken cancellationToken)
    {
        var query = string.Create(CultureInfo.InvariantCulture, $"?limit={AuditPageSize}")
            + Given("since", since?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)) + Given("by", by) + Given("action", action)
                + Given("after", after);
        return SendAsync("asking for the audit log", HttpMethod.Get, "/audit" + query, null, ProtocolJson.Default.AuditPage,
            cancellationToken);

        static string Given(string name, string? value) => value is null ? "" : $"&{name}={Uri.EscapeDataString(value)}";
    }
}
