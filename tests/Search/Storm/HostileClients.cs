using OrleansCache.Contracts;
using OrleansCache.EndToEnd.Tests.Trust;

namespace OrleansCache.Storm;

/// <summary>Makes the hostile clients: those of the default cache, and those who try one cache with what is another's.</summary>
internal sealed class HostileClients(StormWorld world, IReadOnlyList<StormCache> caches)
{
    private readonly StormReport _tally = world.Tally;

    public async Task<IReadOnlyList<HostileClient>> GatherAsync()
    {
        var clients = new List<HostileClient>();
        for (var i = 0; i < world.Options.HostileClients; i++)
            clients.Add(await OfDefaultAsync(i));
        foreach (var other in caches.Skip(1))
        {
            clients.Add(await CrossingAsync(caches[0], other));
            clients.Add(await CrossingAsync(other, caches[0]));
        }

        return clients;
    }

    private async Task<HostileClient> OfDefaultAsync(int number)
    {
        var cache = caches[0];
        var credential = await Pushers.CredentialAsync(cache.Admin, $"hostile-{number}", null, [TokenScope.Push], _tally.Violated);
        var (handler, random) = (new HostileHandler(world.Fleet, _tally), world.NextRandom());
        var attempts = new HostileAttempts(Of(credential, handler), Of(cache.Honest, handler), cache.Overheard, _tally, random);
        return Client(handler, attempts.All, attempts.Squat, cache, random);
    }

    private async Task<HostileClient> CrossingAsync(StormCache mine, StormCache theirs)
    {
        var credential = await Pushers.CredentialAsync(mine.Admin, $"hostile-to-{theirs.Name}", null, Enum.GetValues<TokenScope>(),
            _tally.Violated);
        var (handler, random) = (new HostileHandler(world.Fleet, _tally), world.NextRandom());
        var attempts = new CrossingAttempts(Of(credential, handler), mine, theirs, world.Bucket.Name, _tally, random);
        return Client(handler, attempts.All, null, theirs, random);
    }

    private HostileClient Client(HostileHandler handler, IReadOnlyList<Attempt> attempts, Attempt? squat, StormCache victim, Random random) =>
        new(handler, attempts, squat, victim.Overheard, world.Universe,
            () => _tally["requests"] / CacheStorm.AskingOf(world.Options), _tally, random);

    private static Publisher Of(NixCredential who, HostileHandler handler) => new(who.Id, StormWorld.Balancer, who.Secret, handler);
}
