using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Common;

namespace OrleansCache.Model.Tests;

/// <summary>What somebody does: a few requests, one after the other, each sent again when its answer was lost.</summary>
internal abstract record Operation(int Id)
{
    public Party By { get; init; }

    public abstract Task RunAsync(Session session);

    protected OperationId Key() => Key(Id);

    protected static OperationId Key(int id) => OperationId.TryParse(string.Create(CultureInfo.InvariantCulture, $"op-{id}"), out var key)
        ? key : throw new InvalidOperationException();
}

/// <summary>A run of the collector; or, when another one is in the way, its take-over once its owner has fallen silent.</summary>
internal sealed record CollectOperation(int Id, bool Retention, int GraceSeconds, int Batch) : Operation(Id)
{
    public override Task RunAsync(Session session) => session.TryAsync("gc", 1, async g =>
    {
        var request = new GcRequest
        {
            OlderThanSeconds = Retention ? Policy.Retention.TotalSeconds : 0,
            GraceSeconds = GraceSeconds,
            FailedUploadsOlderThanSeconds = 0
        };
        var owner = Key().Value;
        var row = await g.StartRunAsync(request, Key());
        if (row?.Owner != owner)
            row = await g.GcCatalog.AdoptAsync(Gateway.Cache, owner, new GcOptions().Lease, CancellationToken.None);
        if (row is null)
            return "";
        var progress = new GcProgress();
        await session.Mutant.CollectAsync(g, row, owner, Batch, progress);
        await g.GcCatalog.EndAsync(row.Run.Id, owner, GcState.Done, null, CancellationToken.None);
        return "";
    });
}

/// <summary>Retention as the model knows it: everything, or nothing but pins and pushes.</summary>
internal static class Policy
{
    public static TimeSpan Retention { get; } = TimeSpan.FromDays(30);
}

internal enum Chore
{
    Commits,
    Narinfos,
    Pins,
    FailedUploads,
    Multiparts,
    Scrub,
    Verifications,
    Withdrawals,
    Deletions,
    Upstreams,
}

/// <summary>A step of the background work.</summary>
internal sealed record ChoreOperation(int Id, Chore Chore) : Operation(Id)
{
    public override Task RunAsync(Session session) => session.TryAsync($"{Chore}", 1, async g =>
    {
        await RunAsync(g, Chore);
        return "";
    });

    public static async Task RunAsync(Gateway g, Chore chore)
    {
        switch (chore)
        {
            case Chore.Commits:
                foreach (var push in await g.Database.ListAsync("select * from @fn@.lease_commits($1, null, $2, $3)",
                    p => p.With(Gateway.Cache).With(Gateway.Options.CommitLease).With(100), r => new PushId(r.GetGuid(0)),
                        CancellationToken.None))
                    await g.Publisher.PublishAsync(Gateway.Cache, push, CancellationToken.None);
                break;
            case Chore.Narinfos:
                await g.Publisher.MarkMisprintedAsync(Gateway.Cache, CancellationToken.None);
                await g.Publisher.MarkSignableAsync(Gateway.Cache, CancellationToken.None);
                await g.Publisher.RefreshAsync(Gateway.Cache, CancellationToken.None);
                break;
            case Chore.Pins:
                await g.PinWriter.ExpireAsync(Gateway.Cache, CancellationToken.None);
                await g.PinWriter.WriteAsync(Gateway.Cache, PinOperation.Name, TimeSpan.FromDays(1), CancellationToken.None);
                break;
            case Chore.FailedUploads:
                await g.PushCatalog.EndLapsedAsync(Gateway.Cache, TimeSpan.Zero, 100, CancellationToken.None);
                break;
            case Chore.Scrub:
                if (g.Policy != VerifyPolicy.Off)
                    await g.ScrubAsync();
                break;
            case Chore.Verifications:
                if (g.Policy != VerifyPolicy.Off)
                    await g.VerifyAsync();
                break;
            case Chore.Upstreams:
                await g.WatchUpstreamsAsync();
                break;
            case Chore.Withdrawals:
                await g.Withdrawals.ResumeAsync(Gateway.Cache, CancellationToken.None);
                break;
            case Chore.Deletions:
                await g.Deletions.RunAsync(Gateway.Cache, CancellationToken.None);
                break;
            case Chore.Multiparts:
                await g.DiscardMultipartsAsync();
                break;
        }
    }
}

/// <summary>A push is kept open by a process that has seen a sign of its client; the client is not told.</summary>
internal sealed record KeepAliveOperation(int Id) : Operation(Id)
{
    public override Task RunAsync(Session session) => session.TryAsync("keep alive", 1, async g =>
    {
        var open = await g.Database.ListAsync("select public_id from push where state = 'open' and holder is null order by id limit 1",
            static _ => { }, r => new PushId(r.GetGuid(0)), CancellationToken.None);
        foreach (var push in open)
            await g.Pushes.As(Caller.Server).RenewAsync(CacheName.Default, push, CancellationToken.None);
        return "";
    });
}

internal enum PinChange
{
    Set,
    SetForAnHour,
    Rollback,
    Delete,
}

internal sealed record PinOperation(int Id, PinChange Change, string Path) : Operation(Id)
{
    public static readonly PinName Name = PinName.Parse("p");

    // As long as it takes: until the bucket has it.
    private static readonly TimeSpan Patience = TimeSpan.FromDays(1);

    public override Task RunAsync(Session session) => session.TryAsync($"pin {Change}", 3, async g =>
    {
        switch (Change)
        {
            case PinChange.Delete:
                await g.Pins.As(By.CallerOf()).DeleteAsync(CacheName.Default, Name, PinCondition.None, Key(), Patience,
                    CancellationToken.None);
                break;
            case PinChange.Rollback:
                await g.Pins.As(By.CallerOf()).RollbackAsync(CacheName.Default, Name, new RollbackPin(), PinCondition.None, Key(), Patience,
                    CancellationToken.None);
                break;
            default:
                var set = await g.Pins.As(By.CallerOf()).SetAsync(
                    CacheName.Default, Name, new SetPin
                    {
                        Path = Universe.Path(Path),
                        KeepRevisions = 2,
                        ExpiresSeconds = Change == PinChange.SetForAnHour ? 3600 : null
                    },
                    PinCondition.None, Key(), Patience, CancellationToken.None);
                if (Turns.IsHeard)
                    session.Truths.Pin(Name, set.Pin.Path, session.Store);
                break;
        }

        return "";
    });
}

/// <summary>The request's connection broke; what became of it is not known.</summary>
internal sealed class ConnectionLostException : Exception;
