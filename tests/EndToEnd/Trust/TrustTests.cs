using Xunit;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// What a push token may do to others, row by row of the table in docs/trust.md. M has a token of the scope <c>push</c>; V has another; D also pins. A test lets M do its worst,
/// and asserts what V, D or a reader gets. What M is answered is of no concern: refused, ignored or accepted, as long as nobody else pays for it.
/// </summary>
public sealed partial class TrustTests(TrustServers servers) : IClassFixture<TrustServers>
{
    private static string NewPin() => $"p-{Guid.NewGuid():n}";
}
