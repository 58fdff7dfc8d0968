using OrleansCache.Testing;
namespace OrleansCache.Core.Tests.Pushes;

/// <summary>The same again behind a transaction-pooling proxy: no session state is relied on.</summary>
public sealed class PushTestsThroughPgBouncer : PushTests
{
    private protected override Task<World> CreateAsync() => World.ThroughPgBouncerAsync();
}
