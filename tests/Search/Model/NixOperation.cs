using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>What a copy brings besides its paths.</summary>
internal enum NixLog
{
    None,
    LogBefore,
    LogAfter,
    RealisationBefore,
    RealisationAfter,
}

/// <summary>
/// A copy as stock Nix does it, object by object, references first. Whether its NARs are compressed changes their files and names.
/// </summary>
/// <param name="Credential">Number of the one that several copies may share.</param>
/// <param name="Remembers">Its Nix remembers that all but the top is there, and does not ask.</param>
/// <param name="Breaks">The connection of each NAR breaks once before all of it was sent.</param>
internal sealed record NixOperation(int Id, string Root, int Builder, int Credential, bool Compresses, bool Remembers, NixLog Log,
    bool Breaks) : Operation(Id)
{
    private const int Tries = 3;

    public Lie Lie { get; init; } = Lie.None;

    private Caller Caller => By.CredentialOf(Credential);

    private string Who => Caller.Publisher;

    public override async Task RunAsync(Session session)
    {
        var closure = session.Universe.Closure(Root, Builder, null).Paths;
        var sayings = By.IsHonest() ? session.Truths.Declare(Caller, closure) : [];
        var missing = new List<PathDeclaration>();
        foreach (var path in closure.Where(p => !Remembers || p.Path.Name == Root))
        {
            var isThere = await AskAsync(session, $"HEAD {path.Path.Name}", async (nix, told) =>
            {
                var answer = await nix.PromisePathAsync(CacheName.Default, Caller, path.Path.Hash, CancellationToken.None);
                told(answer ? $"{path.Path.Hash}.narinfo" : null, null);
                return answer;
            });
            if (!isThere)
                missing.Add(path);
        }

        foreach (var path in missing)
        {
            if (!await CopyAsync(session, Lie.Of(path), sayings.Find(s => s.Path == path.Path.Hash)))
                return;
        }
    }

    private async Task<bool> CopyAsync(Session session, PathDeclaration path, Saying? saying)
    {
        var known = session.Universe.NameOf(path.Path.Hash);
        var nar = Lie.NarOf(known, session.Universe.Nar(known, Builder));
        var file = Compresses ? Zstd.Compress(nar) : nar;
        var name = NarFileName.TryParse($"{Sha256Hash.Compute(file).ToNix32()}.nar{(Compresses ? ".zst" : "")}", out var parsed) ? parsed
            : throw new InvalidOperationException();

        // 1. The NAR.
        var isThere = await AskAsync(session, $"HEAD nar of {path.Path.Name}", async (nix, told) =>
        {
            var answer = await nix.PromiseNarAsync(CacheName.Default, Caller, name, CancellationToken.None);
            told(answer?.Key.ToString(), answer is null ? null : name.FileHash);
            return answer is not null;
        });
        if (Breaks && !isThere)
            await PutAsync(file.Length + 1);
        if (!isThere && !await PutAsync(file.Length))
            return false;

        // 2. What belongs to it.
        await KeepAsync(new NixExtra(ObjectKey.Listing(path.Path.Hash), NixExtraKind.Listing, path.Path.Hash, null, [1]));
        await KeepLogAsync(NixLog.LogBefore, NixLog.RealisationBefore);

        // 3. Its narinfo. One that is refused ends the copy.
        var info = new NarInfo
        {
            StorePath = path.Path,
            Url = $"nar/{name}",
            Compression = name.Compression,
            FileHash = name.FileHash,
            FileSize = file.Length,
            NarHash = path.NarHash,
            NarSize = path.NarSize,
            References = [.. session.Universe.Sorted(path.References).Select(Lie.NameOf).Order()],
            Ca = path.Ca,
            Deriver = Universe.Deriver(known),
        };
        var isPublished = await AskAsync(session, $"PUT narinfo of {path.Path.Name}", async (nix, told) =>
        {
            var outcome = await nix.PublishAsync(CacheName.Default, Caller, info, Timeout.InfiniteTimeSpan, CancellationToken.None);
            if (outcome != NarInfoOutcome.Conflict && saying is not null)
                session.Truths.Committed([saying]);
            told($"{path.Path.Hash}.narinfo", null);
            return true;
        });
        if (isPublished)
            await KeepLogAsync(NixLog.LogAfter, NixLog.RealisationAfter);
        return isPublished;

        Task<bool> PutAsync(int length) => AskAsync(session, $"PUT nar of {path.Path.Name}", async (nix, told) =>
        {
            await nix.ReceiveNarAsync(CacheName.Default, Caller, name, new MemoryStream(file), length, CancellationToken.None);
            told(null, name.FileHash);
            return true;
        });

        Task KeepLogAsync(NixLog log, NixLog realisation) =>
            Log == log ? KeepAsync(new NixExtra(ObjectKey.Log(Universe.Deriver(known)), NixExtraKind.Log, Universe.Deriver(known).Hash,
                null, Encoding.UTF8.GetBytes($"log {Id}")))
            : Log == realisation
                ? KeepAsync(new NixExtra(ObjectKey.Realisation(RealisationId.Parse($"sha256:{path.NarHash.ToHex()}!{path.Path.Name}")),
                NixExtraKind.Realisation, path.Path.Hash, null, Encoding.UTF8.GetBytes($"realisation {Id}")))
            : Task.CompletedTask;

        Task KeepAsync(NixExtra extra) => AskAsync(session, $"PUT {extra.Kind} of {path.Path.Name}", async (nix, told) =>
        {
            await nix.KeepAsync(CacheName.Default, Caller, extra, Timeout.InfiniteTimeSpan, CancellationToken.None);
            told(null, null);
            return true;
        });
    }

    // An answer is a promise of a key (with the hash of its file), of a file of this hash wherever it is, or of nothing new.
    private Task<bool> AskAsync(Session session, string what, Func<INixCopy, Action<string?, Sha256Hash?>, Task<bool>> request) =>
        session.TryAsync(what, Tries, g =>
    {
        var started = session.Now;
        return g.NixAsync(nix => request(nix, (key, file) => session.Holds.Told(Who, started, session.Now, key, file)));
    });
}
