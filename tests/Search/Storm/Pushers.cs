using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Storm;

/// <summary>What the pushers speak.</summary>
public enum ClientKind
{
    /// <summary>Our own protocol.</summary>
    V1,

    /// <summary>What niks3's clients send.</summary>
    Niks3,

    /// <summary>What <c>nix copy --to http</c> sends.</summary>
    Nix,
}

/// <summary>Makes the pushers of a cache: of each kind as many as of the others.</summary>
internal sealed class Pushers(StormWorld world, StormCache cache, int count)
{
    /// <summary>One trust group: a fleet whose members rely on each other.</summary>
    public const string Fleet = "fleet";

    // Of each kind that has pins of its own.
    private const int Pinners = 4;

    /// <returns>What pushes, one push at a time.</returns>
    public async Task<IReadOnlyList<Func<SimulatedClosure, Random, CancellationToken, Task<PushEnd?>>>> GatherAsync(
        CancellationToken cancellationToken)
    {
        var pushers = new List<Func<SimulatedClosure, Random, CancellationToken, Task<PushEnd?>>>();
        var kinds = world.Options.Clients;
        for (var i = 0; i < count; i++)
        {
            var (kind, number) = (kinds[i % kinds.Count], i / kinds.Count);
            pushers.Add(kind switch
            {
                ClientKind.Niks3 => new Niks3Client(world.Http, world.Store, cache, world.Retry, world.Tally,
                    number < Pinners ? PinName.Parse($"niks3-{number}") : null).PushAsync,
                ClientKind.Nix => new NixClient(world.Http, cache, await CredentialAsync(cache.Admin, $"nix-{number}", Fleet,
                    [TokenScope.Push, TokenScope.Pin], cancellationToken), world.Holds, world.Retry, world.Tally,
                        pins: number == 0).PushAsync,
                _ => (cargo, random, stopped) => cache.Client.PushAsync(cargo, null, mayGiveUp: true, random, stopped),
            });
        }

        return pushers;
    }

    /// <param name="group">Null: its own.</param>
    public static async Task<NixCredential> CredentialAsync(Api admin, string name, string? group, IReadOnlyList<TokenScope> scopes,
        CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var made = await admin.CreateTokenAsync(new CreateToken
                {
                    Name = $"{name}-{attempt}",
                    Scopes = scopes,
                    Group = group
                }, cancellationToken);
                return new NixCredential($"token:{made.Token.Id}", made.Secret);
            }
            catch (CacheException e) when (e.Name == "token-exists")
            {
                // It was made, and the answer that had its secret was lost.
            }
        }
    }
}
