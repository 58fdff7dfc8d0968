using OrleansCache.Contracts;

namespace OrleansCache.Model.Tests;

/// <summary>An admin takes a path back, waits for the end, and may let its content in again.</summary>
internal sealed record EvictOperation(int Id, string Path, bool Nar, bool Lifts) : Operation(Id)
{
    private static readonly Caller Admin = new("file:admin", "file", 1, IsAdmin: true);

    public override async Task RunAsync(Session session)
    {
        await session.TryAsync($"evict {Path}", 2, g => g.Withdrawals.EvictAsync(
            CacheName.Default, new EvictRequest { Paths = [Universe.Path(Path).Hash], Nar = Nar }, Admin, Key(), TimeSpan.FromDays(1),
            CancellationToken.None));
        if (!Lifts)
            return;
        await session.TryAsync("lift", 1, async g =>
        {
            foreach (var bar in (await g.Withdrawals.ListBarsAsync(CacheName.Default, false, CancellationToken.None)).Bars)
                await g.Withdrawals.LiftAsync(CacheName.Default, bar.Id, Admin, CancellationToken.None);
            return "";
        });
    }
}
