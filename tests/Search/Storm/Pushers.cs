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

/// <summary>Makes the pushers: of each kind as many as of the others.</summary>
internal sealed class Pushers(
    StormOptions options, Api admin, Api api, HttpMessageInvoker balancer, HttpClient store, string token, PushClient v1, NixHolds holds,
    RetryPolicy retry, Promises promises, Attempts attempts, Overheard overheard, StormReport tally)
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
        for (var i = 0; i < options.Pushers; i++)
        {
            var (kind, number) = (options.Clients[i % options.Clients.Count], i / options.Clients.Count);
            pushers.Add(kind switch
            {
                ClientKind.Niks3 => new Niks3Client(balancer, store, api, token, retry, promises, attempts, overheard, tally,
                    number < Pinners ? PinName.Parse($"niks3-{number}") : null).PushAsync,
                ClientKind.Nix => new NixClient(balancer, await CredentialAsync(admin, $"nix-{number}", Fleet,
                    [TokenScope.Push, TokenScope.Pin], cancellationToken), holds, retry, promises, attempts, tally,
                        pins: number == 0).PushAsync,
                _ => (cargo, random, stopped) => v1.PushAsync(cargo, null, mayGiveUp: true, random, stopped),
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
