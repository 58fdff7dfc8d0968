using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>What a client of deferred pushes does wrong.</summary>
internal enum Slip
{
    None,
    DeclaresNothing,

    /// <summary>Declares what the other builder has built.</summary>
    DeclaresOther,
}

/// <summary>
/// A push as niks3's clients do it: opened with hashes, uploaded, and declared just before the commit. They neither wait nor renew.
/// </summary>
internal sealed record Niks3Operation(int Id, string Root, int Builder, PushEnd End, Slip Slip) : Operation(Id)
{
    private const int Tries = 3;

    public Lie Lie { get; init; } = Lie.None;

    public override async Task RunAsync(Session session)
    {
        var closure = Lie.Of(session.Universe.Closure(Root, Builder, null));
        var described = Slip == Slip.DeclaresOther ? Lie.Of(session.Universe.Closure(Root, Builder + 1, null)) : closure;
        var sayings = By.IsHonest() ? session.Truths.Declare(By.CallerOf(), described.Paths) : [];
        var logs = closure.Paths.DistinctBy(p => DeriverOf(session, p)).ToDictionary(p => ObjectKey.Log(DeriverOf(session, p)),
            p => p.Path.Hash);
        var request = new Niks3Push
        {
            Roots = [Universe.Hash(Root)],
            Paths = [.. closure.Paths.Select(p => new Niks3Path(p.Path.Hash, p.NarHash, p.NarSize, p.References))],
            Objects = [.. logs.Select(l => new Niks3Object(l.Key, true, l.Value))],
        };

        // One that is asked for twice is another.
        var opened = await session.TryAsync($"open {Root}", Tries, async g =>
        {
            var expires = session.Now + Gateway.Options.Niks3Life;
            var answer = await g.Niks3Pushes.As(By.CallerOf()).OpenAsync(CacheName.Default, request, CancellationToken.None);
            session.Promises.Opened(answer, closure, [.. logs.Keys.Select(k => k.ToString())], expires, By.IsHonest());
            return answer;
        });
        if (opened is null)
            return;
        foreach (var upload in opened.Uploads)
            await UploadAsync(session, opened.Id, upload, closure);
        foreach (var path in closure.Paths.Where(p => opened.Missing.Contains(p.Path.Hash)))
            await session.TryAsync("keep listing", 1, g => g.Niks3Pushes.As(By.CallerOf())
                .KeepListingAsync(CacheName.Default, opened.Id, opened.Secret, path.Path.Hash, [1], CancellationToken.None));
        foreach (var key in logs.Keys.Where(opened.MissingObjects.Contains))
            await session.TryAsync("keep log", 2, g => g.Niks3Pushes.As(By.CallerOf()).KeepObjectAsync(CacheName.Default, opened.Id,
                opened.Secret, key, Encoding.UTF8.GetBytes($"log {Id}"), CancellationToken.None));

        if (End == PushEnd.Leave)
            return;
        if (End == PushEnd.Abort)
        {
            session.Promises.Ends(opened.Id);
            await session.TryAsync("abort", Tries, async g =>
            {
                await g.Pushes.As(By.CallerOf()).AbortAsync(CacheName.Default, opened.Id, CancellationToken.None);
                return true;
            });
            return;
        }

        var isDeclared = false;
        if (Slip != Slip.DeclaresNothing)
        {
            var said = described.Paths.Where(p => opened.Missing.Contains(p.Path.Hash)).Select(p => Declare(session, p)).ToList();
            isDeclared = await session.TryAsync("declare", Tries, g => g.Niks3Pushes.As(By.CallerOf())
                .DeclareAsync(CacheName.Default, opened.Id, said, CancellationToken.None)) is not null;
        }

        await session.TryAsync("commit", Tries, async g =>
        {
            var answer = await g.Pushes.As(By.CallerOf()).CommitAsync(CacheName.Default, opened.Id, TimeSpan.FromDays(1),
                CancellationToken.None);
            if (answer.State == PushState.Committed)
                session.Truths.Committed(session.Promises.Committed(opened.Id, answer, isDeclared
                    ? [.. sayings.Where(s => opened.Missing.Contains(s.Path))] : []));
            return answer;
        });
    }

    private Niks3Declaration Declare(Session session, PathDeclaration path) =>
        new(path with { Deriver = DeriverOf(session, path) }, [.. session.Universe.Sorted(path.References).Select(Lie.NameOf).Order()]);

    private static StorePath DeriverOf(Session session, PathDeclaration path) => Universe.Deriver(session.Universe.NameOf(path.Path.Hash));

    private async Task UploadAsync(Session session, PushId push, Niks3Upload upload, BeginPush closure)
    {
        var path = session.Universe.NameOf(closure.Paths.First(p => p.NarHash == upload.NarHash).Path.Hash);
        var body = Bodies.Of(Lie.NarOf(path, session.Universe.Nar(path, Builder)), upload.Id, inParts: true, Lie.IsNoise);
        var arrived = await session.TryAsync("upload", 2, async _ => await session.Store.UploadAsync(upload.Parts[0], body) ? ""
            : throw new ConnectionLostException());
        if (arrived is null && session.Operation.Id % 2 == 0)
            return;
        await session.TryAsync("uploaded", Tries, async g =>
        {
            await g.Niks3Pushes.As(By.CallerOf()).UploadedAsync(CacheName.Default, upload.Id, upload.NarHash,
                [Convert.ToHexStringLower(MD5.HashData(body))], CancellationToken.None);
            session.Promises.Stored(push, upload.NarHash);
            return "";
        });
    }
}
