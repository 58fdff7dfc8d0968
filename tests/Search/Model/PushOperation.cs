using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

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
    private const int MaxBegun = 5;
    private const int MaxWaits = 100;
    // Longer than any upload here takes. Others may begin anew meanwhile, but not so often.
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(1);
    private const int MaxMinutes = 5;

    public Lie Lie { get; init; } = Lie.None;

    /// <summary>Whose idempotency key it sends; 0: its own.</summary>
    public int KeyOf { get; init; }

    // What it reports first is not what has arrived: the server refuses it. Not in the openings, which are few.
    private bool Misreports => Id > 4 && Id % 2 == 1;

    /// <summary>Somebody honest, to whom nothing may be in the way: it begins again until it is committed.</summary>
    public bool MustCommit { get; init; }

    public override async Task RunAsync(Session session)
    {
        for (var begun = 0; begun <= (MustCommit ? MaxBegun : 0); begun++)
        {
            if (await OnceAsync(session, begun))
                return;
        }

        session.Check(!MustCommit, "I8", $"{By} cannot push {Root}");
    }

    // True: it is committed.
    private async Task<bool> OnceAsync(Session session, int begun)
    {
        var closure = Lie.Of(session.Universe.Closure(Root, Builder, Pin));
        var said = By.IsHonest() ? session.Truths.Declare(By.CallerOf(), closure.Paths) : [];
        var key = Key(KeyOf == 0 ? Id + begun : KeyOf);
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
            return false;
        if (Replays)
        {
            var isRefused = false;
            opened = await session.TryAsync($"begin {Root} again", 1, async g =>
            {
                try
                {
                    var answer = await g.Pushes.As(By.CallerOf()).BeginAsync(CacheName.Default, closure, key, CancellationToken.None);
                    session.Check(answer.Id == opened.Id, "I12",
                        $"begin of {Root} was sent again and opened another push: {answer.Id} beside {opened.Id}");
                    session.Promises.Begun(answer, closure, said);
                    return answer;
                }
                catch (CacheProblemException e) when (e.Kind == ProblemKind.Conflict)
                {
                    // Somebody has published a path under another name meanwhile: the answer says so, and the push has ended.
                    session.Promises.Ends(push);
                    isRefused = true;
                    throw;
                }
            }) ?? opened;
            if (isRefused)
                return false;
        }

        await BringAsync(session, push, closure, opened);
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
            return await CommitAsync(session, push, said);
        if (End == PushEnd.Abort)
            await AbortAsync(session, push);
        return false;
    }

    // Uploads what is missing, and waits for what others upload or a server reads: twice for the former, and as long as it takes for the
    // latter.
    private async Task BringAsync(Session session, PushId push, BeginPush closure, PushOpened opened)
    {
        var (uploads, states, asked, minutes) = (opened.Uploads, opened.Missing, session.Now, 0);
        for (var round = 0; ; round++)
        {
            var waiting = states.Where(s => s.State == PathState.Wait).Select(s => s.Path).ToList();
            foreach (var grant in uploads)
            {
                if (await UploadAsync(session, push, closure, grant, Misreports && round == 0) is { } refused)
                    waiting.Add(refused);
            }

            if (waiting.Count == 0 || round == (session.Policy == VerifyPolicy.Off || !By.IsHonest() ? 2 : MaxWaits))
                break;
            var answer = await session.TryAsync("wait", 1, async g =>
            {
                if (round > 1)
                    await Turns.ReachAsync(Turns.Pause);
                var answer = await g.Pushes.As(By.CallerOf())
                    .WaitAsync(CacheName.Default, push, new WaitRequest { Paths = waiting, TimeoutSeconds = 0 }, CancellationToken.None);
                session.Promises.Waited(push, answer, closure);
                return answer;
            });
            if (answer is null)
                break;
            (uploads, states) = (answer.Uploads, answer.Paths);
            if (session.Now > asked + MaxWait)
                (asked, minutes) = (session.Now, states.Any(s => s.State == PathState.Wait) ? minutes + 1 : 0);
            session.Check(minutes < MaxMinutes, "I8", $"{By} waits for ever for {session.Universe.NameOf(waiting[0])}");
        }
    }

    private async Task<bool> CommitAsync(Session session, PushId push, List<Saying> said)
    {
        for (var round = 0; round < 2; round++)
        {
            var answer = await session.TryAsync("commit", Tries, async g =>
            {
                try
                {
                    var answer = await g.Pushes.As(By.CallerOf()).CommitAsync(CacheName.Default, push, TimeSpan.FromDays(1),
                        CancellationToken.None);
                    if (answer.State == PushState.Committed)
                        session.Truths.Committed(session.Promises.Committed(push, answer, said));
                    if (answer.State == PushState.Committed && Pin is not null)
                        session.Truths.PushedPin(By.CallerOf(), answer.Conflicts, session.Store, session.Check);
                    return answer;
                }
                catch (CacheProblemException e) when (e.Kind == ProblemKind.Untrue && By.IsHonest())
                {
                    session.Check(false, "I13", $"{By} was told of a lie, and told none: {e.Message}");
                    throw;
                }
            });
            if (answer is not null || !Replays)
                return answer is { State: PushState.Committed };
        }

        return false;
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
        var path = closure.Paths.First(p => p.NarHash == narHash).Path.Hash;
        var name = session.Universe.NameOf(path);
        var body = Bodies.Of(Lie.NarOf(name, session.Universe.Nar(name, Builder)), key, grant.Url is null, Lie.IsNoise);
        var arrived = await session.TryAsync("upload", 2, async _ => await session.Store.UploadAsync(grant.Url ?? grant.Parts[0], body)
            ? "" : throw new ConnectionLostException());
        if (arrived is null && session.Operation.Id % 2 == 0)
            return null;
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
