using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>What a push is said to wait for is declared with the rest, and only the rest is claimed.</summary>
public sealed class KnownUploadTests
{
    private const int Pushes = 12;

    [Fact]
    public async Task Pushes_that_claim_in_one_statement_each_wait_for_what_is_known_and_upload_the_rest()
    {
        await using var world = await World.CreateAsync();
        var shared = Enumerable.Range(0, 4).Select(i => World.Path($"shared-{i}")).ToArray();
        var first = await world.BeginAsync(World.Closure([.. shared, World.Path("first", ["shared-3"])]));
        var known = new KnownUploads(World.Id(first), [.. shared.Select(p => p.Path.Hash)], Pushes);
        var gateway = await world.AddGatewayAsync(engine: known);

        // Three statements are under way at once, and stand still: the others collect behind them.
        var begins = Enumerable.Range(0, Pushes).Select(i => gateway.Pushes.BeginAsync(CacheName.Default, Closure(i), OperationId.New(), default))
            .ToArray();
        await known.AllClaim;
        await using (await world.HoldAsync("select pg_advisory_xact_lock(20291, 1)"))
        {
            known.Answer();
            await Eventually.BecomesTrueAsync(async () => await world.BlockedAsync() >= 3);
        }

        var opened = await Task.WhenAll(begins);

        foreach (var (i, push) in opened.Index())
        {
            Assert.Equal(OwnOf(i).Select(p => p.Path.Hash).ToHashSet(),
                push.Missing.Where(m => m.State == PathState.Upload).Select(m => m.Path).ToHashSet());
            Assert.Equal(SharedOf(i).Select(p => p.Path.Hash).ToHashSet(),
                push.Missing.Where(m => m.State == PathState.Wait).Select(m => m.Path).ToHashSet());
        }

        await world.UploadAsync(first);
        await world.CommitAsync(first);
        foreach (var (i, push) in opened.Index())
        {
            await world.UploadAsync(push, pushes: gateway.Pushes);
            if (SharedOf(i).Length > 0)
            {
                var waited = await gateway.Pushes.WaitAsync(CacheName.Default, World.Id(push),
                    new WaitRequest { Paths = [.. SharedOf(i).Select(p => p.Path.Hash)], TimeoutSeconds = 30 }, default);
                Assert.All(waited.Paths, p => Assert.Equal(PathState.Present, p.State));
            }

            Assert.Equal(PushState.Committed, (await world.CommitAsync(push, pushes: gateway.Pushes)).State);
        }

        await world.AssertSoundAsync();

        // Every third shares nothing, and the places of what is shared differ.
        PathDeclaration[] SharedOf(int i) => i % 3 == 0 ? [] : shared[..(1 + (i % 4))];

        PathDeclaration[] OwnOf(int i) => [.. Enumerable.Range(0, 1 + (i % 3)).Select(n => World.Path($"own-{i}-{n}")), Root(i)];

        PathDeclaration Root(int i) => World.Path($"root-{i}", [.. SharedOf(i).Select(p => p.Path.Name)]);

        BeginPush Closure(int i)
        {
            var (own, others) = (new Queue<PathDeclaration>(OwnOf(i)[..^1]), new Queue<PathDeclaration>(SharedOf(i)));
            var paths = new List<PathDeclaration>();
            while (own.Count + others.Count > 0)
                paths.Add(own.Count > 0 && (others.Count == 0 || (paths.Count + i) % 2 == 0) ? own.Dequeue() : others.Dequeue());
            return World.Closure([.. paths, Root(i)]);
        }
    }

    /// <summary>A cluster that knows of one push's uploads, and answers all who claim at once.</summary>
    private sealed class KnownUploads(PushId uploader, HashSet<StorePathHash> paths, int count) : IEngine, IUploadNews
    {
        private readonly TaskCompletionSource _all = new(), _answer = new();
        private int _claiming;

        public Task AllClaim => _all.Task;

        public IUploadNews News => this;

        public void Answer() => _answer.SetResult();

        public CoreServices Over(CoreServices direct) => direct;

        public async Task<IReadOnlyList<Uploader?>> ClaimAsync(CacheName cache, PushId push, UploadClaims claims,
            CancellationToken cancellationToken)
        {
            if (Interlocked.Increment(ref _claiming) == count)
                _all.SetResult();
            await _answer.Task.WaitAsync(cancellationToken);
            return [.. claims.Nars.Select(n => paths.Contains(n.Path) ? new Uploader(uploader, n.NarHash, IsOwn: true) : null)];
        }

        public Task<IReadOnlyList<Uploader?>> UploadersAsync(CacheName cache, PushId push, string group,
            IReadOnlyList<StorePathHash> asked, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<Uploader?>>([.. asked.Select(_ => (Uploader?)null)]);

        public async IAsyncEnumerable<Arrival?> FollowAsync(CacheName cache, PushId push,
            [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            yield return null;
        }

        public void Opened(CacheName cache, PushId push, DateTimeOffset expires)
        {
        }

        public void Uploads(CacheName cache, PushId push, DateTimeOffset? expires, int nars)
        {
        }

        public void Released(CacheName cache, PushId push, IReadOnlyList<StorePathHash> released)
        {
        }

        public void Alive(CacheName cache, PushId push)
        {
        }

        public void Arrived(CacheName cache, PushId push, IReadOnlyList<Sha256Hash> nars)
        {
        }

        public void Ended(CacheName cache, PushId push)
        {
        }
    }
}
