using System.Globalization;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

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

internal enum PushEnd
{
    Commit,
    Abort,

    /// <summary>The client dies after it has reported.</summary>
    Leave,
}

/// <summary>Begins, uploads and reports what is missing, and ends the push.</summary>
internal sealed record PushOperation(int Id, string Root, int Builder, string? Pin, PushEnd End, bool Renews, bool Replays) : Operation(Id)
{
    private const int Tries = 3;

    public Lie Lie { get; init; } = Lie.None;

    /// <summary>Whose idempotency key it sends; 0: its own.</summary>
    public int KeyOf { get; init; }

    // What it reports first is not what has arrived: the server refuses it. Not in the openings, which are few.
    private bool Misreports => Id > 4 && Id % 2 == 1;

    public override async Task RunAsync(Session session)
    {
        var closure = Lie.Of(session.Universe.Closure(Root, Builder, Pin));
        var said = By.IsHonest() ? session.Truths.Declare(By.CallerOf(), closure.Paths) : [];
        var key = KeyOf == 0 ? Key() : Key(KeyOf);
        var opened = await session.TryAsync($"begin {Root}", Tries, async g =>
        {
            try
            {
                var answer = await g.Pushes.As(By.CallerOf()).BeginAsync(CacheName.Default, closure, key, CancellationToken.None);
                session.Promises.Begun(answer, closure, said);
                return answer;
            }
            catch (CacheProblemException e) when (e.Kind == ProblemKind.KeyReused && By.IsHonest())
            {
                session.Check(false, "I13", $"{By} was refused a key that only {By} has sent: {e.Message}");
                throw;
            }
        });
        if (opened is null || !PushId.TryParse(opened.Id, out var push))
            return;
        if (Replays)
        {
            opened = await session.TryAsync($"begin {Root} again", 1, async g =>
            {
                var answer = await g.Pushes.As(By.CallerOf()).BeginAsync(CacheName.Default, closure, key, CancellationToken.None);
                session.Check(answer.Id == opened.Id, "I12",
                    $"begin of {Root} was sent again and opened another push: {answer.Id} beside {opened.Id}");
                session.Promises.Begun(answer, closure, said);
                return answer;
            }) ?? opened;
        }

        var (uploads, states) = (opened.Uploads, opened.Missing);
        for (var round = 0; ; round++)
        {
            var waiting = states.Where(s => s.State == PathState.Wait).Select(s => s.Path).ToList();
            foreach (var grant in uploads)
            {
                if (await UploadAsync(session, push, closure, grant, Misreports && round == 0) is { } refused)
                    waiting.Add(refused);
            }

            if (waiting.Count == 0 || round == 2)
                break;
            var answer = await session.TryAsync("wait", 1, async g =>
            {
                var answer = await g.Pushes.As(By.CallerOf())
                    .WaitAsync(CacheName.Default, push, new WaitRequest { Paths = waiting, TimeoutSeconds = 0 }, CancellationToken.None);
                session.Promises.Waited(push, answer, closure);
                return answer;
            });
            if (answer is null)
                break;
            (uploads, states) = (answer.Uploads, answer.Paths);
        }

        if (Renews)
        {
            await session.TryAsync("renew", 1, async g =>
            {
                var answer = await g.Pushes.As(By.CallerOf()).RenewAsync(CacheName.Default, push, CancellationToken.None);
                session.Promises.Renewed(push, answer, closure);
                return answer;
            });
        }

        if (End == PushEnd.Commit)
            await CommitAsync(session, push, said);
        else if (End == PushEnd.Abort)
            await AbortAsync(session, push);
    }

    private async Task CommitAsync(Session session, PushId push, List<Saying> said)
    {
        for (var round = 0; round < 2; round++)
        {
            var answer = await session.TryAsync("commit", Tries, async g =>
            {
                var answer = await g.Pushes.As(By.CallerOf()).CommitAsync(CacheName.Default, push, TimeSpan.FromDays(1),
                    CancellationToken.None);
                if (answer.State == PushState.Committed)
                    session.Truths.Committed(session.Promises.Committed(push, answer, said));
                if (answer.State == PushState.Committed && Pin is not null)
                    session.Truths.PushedPin(By.CallerOf(), answer.Conflicts, session.Store, session.Check);
                return answer;
            });
            if (answer is not null || !Replays)
                return;
        }
    }

    private Task<bool> AbortAsync(Session session, PushId push)
    {
        session.Promises.Ends(push);
        return session.TryAsync("abort", Tries, async g =>
        {
            await g.Pushes.As(By.CallerOf()).AbortAsync(CacheName.Default, push, CancellationToken.None);
            return true;
        });
    }

    /// <summary>The path to ask about again, if the server has refused its NAR.</summary>
    private async Task<StorePathHash?> UploadAsync(Session session, PushId push, BeginPush closure, UploadGrant grant, bool misreports)
    {
        var parts = grant.Id.Split('~');
        var (key, narHash) = ($"nar/{parts[1]}", Sha256Hash.Parse($"sha256:{parts[3]}"));
        var body = Bodies.Of(narHash, key, grant.Url is null, Lie.IsNoise);
        var arrived = await session.TryAsync("upload", 2, async _ => await session.Store.UploadAsync(grant.Url ?? grant.Parts[0], body)
            ? "" : throw new ConnectionLostException());
        if (arrived is null && session.Operation.Id % 2 == 0)
            return null;
        var path = closure.Paths.First(p => p.NarHash == narHash).Path.Hash;
        var answered = await session.TryAsync("report", 2, async g =>
        {
            var answer = await g.Pushes.As(By.CallerOf()).ReportAsync(CacheName.Default, push, new UploadReport
            {
                Uploads = [new UploadedNar { Upload = grant.Id, FileHash = Sha256Hash.Compute(body), FileSize = body.Length
                    + (misreports ? 1 : 0), Md5 = [Convert.ToHexStringLower(MD5.HashData(body))] }],
                Listings = [new PathListing { Path = path, Content = [1] }],
            }, CancellationToken.None);
            if (answer.Stored.Count == 1)
                session.Promises.Stored(push, narHash);
            return answer;
        });
        return answered is { Rejected.Count: > 0 } ? path : null;
    }
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
    Withdrawals,
    Deletions,
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
                await g.Publisher.RefreshAsync(Gateway.Cache, CancellationToken.None);
                break;
            case Chore.Pins:
                await g.PinWriter.ExpireAsync(Gateway.Cache, CancellationToken.None);
                await g.PinWriter.WriteAsync(Gateway.Cache, PinOperation.Name, TimeSpan.FromDays(1), CancellationToken.None);
                break;
            case Chore.FailedUploads:
                await g.PushCatalog.EndLapsedAsync(Gateway.Cache, TimeSpan.Zero, 100, CancellationToken.None);
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
