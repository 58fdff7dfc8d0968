using System.Text.Json;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests;

/// <summary>An audit log of one line that remembers what it was asked.</summary>
internal sealed class ScriptedAudit : IAudit
{
    public AuditQuery? Query { get; private set; }

    public Task<AuditPage> ReadAsync(CacheName cache, AuditQuery query, CancellationToken cancellationToken)
    {
        Query = query;
        return Task.FromResult(new AuditPage
        {
            Lines = [new AuditLine { At = DateTimeOffset.UnixEpoch, Publisher = "token:7", Address = "192.0.2.7", Action = "commit",
                Detail = JsonElement.Parse("""{"published":2}""") }],
            Next = "1-2",
        });
    }
}
