using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>Every path is live, has a NAR and nothing else.</summary>
internal sealed class ScriptedPaths : IPaths
{
    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public Task<PathLife> GetAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken) =>
        Failure is { } failure ? Task.FromException<PathLife>(failure) : Task.FromResult(new PathLife
        {
            Path = new StorePath(path, "hello"),
            State = "live",
            Nar = new PathNar { Hash = Sha256Hash.Compute("hello"u8), Size = 7, Verification = "verified" },
        });
}
