using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Withdraw;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>The calls of the contracts that run statements, by kind: what each needs before, and what must be possible after it.</summary>
internal static class DatabaseCalls
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(1);

    // What it needs, then the call (again and again the same), then how that comes to its end.
    public static readonly Dictionary<string, Func<World, string, Task<Kind>>> Kinds = new()
    {
        ["begin"] = (world, name) => Ready(() => world.BeginAsync(Closure(name), operation: name), async () =>
            await EndAsync(world, name, await world.BeginAsync(Closure(name), operation: name))),
        ["report"] = async (world, name) => await BegunAsync(world, name, push => world.UploadAsync(push)),
        ["wait"] = async (world, name) =>
        {
            var other = await world.BeginAsync(Closure(name));
            return await BegunAsync(world, name, push => world.WaitAsync(push, $"{name}-a"), before: () => world.AbortAsync(other));
        },
        ["commit"] = async (world, name) =>
        {
            var push = await world.BeginAsync(Closure(name));
            await world.UploadAsync(push);
            return new Kind(() => world.CommitAsync(push, patience: TimeSpan.FromSeconds(1)), async () =>
            {
                await CommitAsync(world, push);
                await SeenAsync(world, name);
            });
        },
        ["end"] = async (world, name) =>
        {
            var push = await world.BeginAsync(Closure(name));
            return new Kind(() => world.AbortAsync(push), () => world.PushAsync(Closure(name)));
        },
        ["renew"] = (world, name) => BegunAsync(world, name, push => world.Pushes.RenewAsync(CacheName.Default, World.Id(push), None)),
        ["urls"] = (world, name) => BegunAsync(world, name, push =>
            world.Pushes.UrlsAsync(CacheName.Default, World.Id(push), push.Uploads[0].Id, new UrlsRequest(), None)),
        ["missing"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(
                async () =>
                    Assert.Equal([World.Hash($"{name}-c")],
                    (await world.Pushes.MissingAsync(CacheName.Default,
                    new MissingRequest { Paths = [World.Hash($"{name}-a"), World.Hash($"{name}-c")] }, None)).Missing),
                () => SeenAsync(world, name));
        },
        ["pin set"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(() => world.PinAsync(name, $"{name}-b", operation: name, patience: Short), () =>
                PinnedAsync(world, name, "b", revision: 1));
        },
        ["pin rollback"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            await world.PinAsync(name, $"{name}-a");
            await world.PinAsync(name, $"{name}-b");
            return new Kind(() => world.Core.Pins.RollbackAsync(CacheName.Default, PinSteps.Name(name), new RollbackPin(), default,
                Operation(name), Short, None), () => PinnedAsync(world, name, "a", revision: 3));
        },
        ["pin delete"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            await world.PinAsync(name, $"{name}-a");
            return new Kind(() => world.UnpinAsync(name, operation: name, patience: Short), async () =>
            {
                await world.SettleAsync();
                Assert.Null(world.BucketPin(name));
                Assert.DoesNotContain(name, await world.PinNamesAsync());
            });
        },
        ["pin list"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            await world.PinAsync(name, $"{name}-a");
            return new Kind(async () => Assert.Contains(name, await world.PinNamesAsync()), async () =>
                Assert.Equal(1, (await world.ShowAsync(name)).Revision));
        },
        ["gc start"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            GcRun? run = null;
            return new Kind(async () => run = await world.Core.Collection.StartAsync(CacheName.Default, new GcRequest(), Operation(name),
                None), async () =>
            {
                Assert.Equal(GcState.Done, (await world.EndOfRunAsync(run!.Id)).State);
                await SeenAsync(world, name);
            });
        },
        ["gc status"] = async (world, name) =>
        {
            var run = await world.CollectAsync(new GcRequest());
            return new Kind(
                async () =>
                {
                    Assert.Equal(run.Id, (await world.Core.Collection.StatusAsync(CacheName.Default, None)).Last!.Id);
                    Assert.Equal(run.Id, (await world.Core.Collection.RunAsync(CacheName.Default, run.Id, None)).Id);
                    Assert.Equal(run.Id, (await world.Core.Collection.HistoryAsync(CacheName.Default, 5, None)).Runs[0].Id);
                    Assert.Null(await world.Core.Collection.CancelAsync(CacheName.Default, None));
                },
                () => world.PushAsync(Closure(name)));
        },
        ["reads"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            var nar = World.Path($"{name}-a").NarHash;
            return new Kind(
                async () =>
                {
                    var contents = world.Core.Contents;
                    Assert.Null(await contents.FindMovedNarAsync(CacheName.Default, ObjectKey.Parse($"nar/{nar.ToNix32()}.nar.zst"), None));
                    Assert.True(await contents.HasNarAsync(CacheName.Default, Caller.Server, nar, None));
                    Assert.True(await contents.HasPathAsync(CacheName.Default, Caller.Server, World.Hash($"{name}-a"), withListing: false, None));
                    Assert.False(await contents.HasObjectAsync(CacheName.Default, Caller.Server, ObjectKey.Parse($"log/{name}.drv"), None));
                    Assert.Equal(2, (await contents.ClosureAsync(CacheName.Default, Caller.Server, World.Hash($"{name}-b"), None))!.Paths.Count);
                    Assert.Equal("live", (await world.Core.Paths.GetAsync(CacheName.Default, World.Hash($"{name}-a"), None)).State);
                },
                () => SeenAsync(world, name));
        },
        ["readiness"] = (world, _) => Ready(async () =>
        {
            await world.Core.Database.PingAsync(None);
            Assert.Null(await world.Core.FindPushTroubleAsync(None));
            Assert.False(await world.Core.Database.IsOutdatedAsync(None));
            Assert.NotEmpty(await world.Core.FindDoubtsAsync(None)); // Tests' PostgreSQL does not sync.
        }),
        ["token check"] = async (world, name) =>
        {
            var made = await world.Core.Tokens.CreateAsync(CacheName.Default,
                new CreateToken { Name = name, Scopes = [TokenScope.Push] }, None);
            return new Kind(async () => Assert.NotNull(await world.Core.Tokens.FindAsync(made.Secret, None)), () =>
                world.Core.Tokens.RevokeAsync(CacheName.Default, made.Token.Id, None));
        },
        ["identity check"] = (world, name) => Ready(async () =>
            Assert.Null(await world.Core.Subjects.FindAsync(CacheName.Default, $"oidc:ci/{name}", None))),
        ["subjects"] = (world, name) => Ready(async () =>
        {
            var made = await world.Core.Subjects.BlockAsync(CacheName.Default, new BlockSubjects { Pattern = $"oidc:ci/{name}" },
                Caller.Server, None);
            Assert.Contains((await world.Core.Subjects.ListAsync(CacheName.Default, liftedToo: false, None)).Blocks, block =>
                block.Id == made.Block.Id);
            await world.Core.Subjects.UnblockAsync(CacheName.Default, made.Block.Id, Caller.Server, None);
            Assert.Null(await world.Core.Subjects.FindAsync(CacheName.Default, $"oidc:ci/{name}", None));
        }),
        ["tokens"] = (world, name) => Ready(async () =>
        {
            // A secret is told once only, so another token is another call.
            var made = await world.Core.Tokens.CreateAsync(CacheName.Default,
                new CreateToken { Name = $"{name}-{Guid.NewGuid():n}", Scopes = [TokenScope.Push] }, None);
            Assert.Contains((await world.Core.Tokens.ListAsync(CacheName.Default, revokedToo: false, None)).Tokens, token =>
                token.Id == made.Token.Id);
            await world.Core.Tokens.RevokeAsync(CacheName.Default, made.Token.Id, None);
            Assert.Null(await world.Core.Tokens.FindAsync(made.Secret, None));
        }),
        ["lists"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(
                async () =>
                {
                    Assert.NotEmpty((await world.Core.Audit.ReadAsync(CacheName.Default, new AuditQuery(), None)).Lines);
                    Assert.NotEmpty((await world.Core.Withdrawals.ListPathsAsync(CacheName.Default, Caller.Anonymous.Publisher, null, null,
                        10, None)).Paths);
                    Assert.Empty((await world.Core.Withdrawals.ListBarsAsync(CacheName.Default, liftedToo: false, None)).Bars);
                    Assert.NotNull(await world.Core.Collection.WhyAsync(CacheName.Default, World.Hash($"{name}-a"), None));
                },
                () => SeenAsync(world, name));
        },
        ["evict"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(() => world.EvictAsync(Withdrawing.Of($"{name}-b"), operation: Operation(name), patience: Short), async () =>
            {
                await world.ResumeAsync();
                Assert.Null(world.NarInfoOf($"{name}-b"));
                Assert.NotNull(world.NarInfoOf($"{name}-a"));
            });
        },
        ["niks3"] = async (world, name) =>
        {
            var path = World.Path(name);
            var opened = await world.Core.Niks3Pushes.OpenAsync(CacheName.Default, Niks3(path), None);
            return new Kind(() => world.Core.Niks3Pushes.DeclareAsync(CacheName.Default, opened.Id, [new Niks3Declaration(path, [])],
                None), async () =>
            {
                Assert.True(await world.Core.Niks3Pushes.IsOpenAsync(CacheName.Default, opened.Id, opened.Secret, None));
                await world.Pushes.AbortAsync(CacheName.Default, opened.Id, None);
            });
        },
        ["niks3 begin"] = async (world, name) =>
        {
            var path = World.Path(name);
            Niks3Opened? opened = null;
            return await Ready(async () => opened = await world.Core.Niks3Pushes.OpenAsync(CacheName.Default, Niks3(path),
                None), async () =>
            {
                await world.Core.Niks3Pushes.DeclareAsync(CacheName.Default, opened!.Id, [new Niks3Declaration(path, [])], None);
                await world.Pushes.AbortAsync(CacheName.Default, opened.Id, None);
            });
        },
        ["nix nar"] = (world, name) => Ready(() => new StockNix(world).PutNarAsync(name), async () =>
        {
            await new StockNix(world).PutInfoAsync(name);
            Assert.True(await new StockNix(world).AskAsync(name));
        }),
        ["nix hold"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(async () => Assert.True(await new StockNix(world).AskAsync($"{name}-a")), () => SeenAsync(world, name));
        },
        ["niks3 nar"] = async (world, name) =>
        {
            var (path, file) = Small(name);
            var pushes = world.Core.Niks3Pushes;
            var opened = await pushes.OpenAsync(CacheName.Default, Niks3(path) with { SinglePuts = true }, None);
            return new Kind(() => pushes.ReceiveNarAsync(CacheName.Default, opened.Id, opened.Secret, opened.Uploads[0].Id, path.NarHash,
                file, None), async () =>
            {
                var signed = await pushes.DeclareAsync(CacheName.Default, opened.Id, [new Niks3Declaration(path, [])], None);
                Assert.NotEmpty(signed[path.Path.Hash]);
                Assert.Equal(PushState.Committed,
                    (await world.Pushes.CommitAsync(CacheName.Default, opened.Id, TimeSpan.FromSeconds(30), None)).State);
            });
        },
        ["niks3 restore"] = async (world, name) =>
        {
            var (path, file) = Small(name);
            var pushes = world.Core.Niks3Pushes;
            await world.PushAsync(World.Closure(path));
            var key = world.NarInfoOf(name)!.Url;
            world.Store.Objects.Remove(key, out _);
            var opened = await pushes.OpenAsync(CacheName.Default, Niks3(path) with { Verify = true }, None);
            return new Kind(() => pushes.ReceiveNarAsync(CacheName.Default, opened.Id, opened.Secret, opened.Uploads[0].Id, path.NarHash,
                file, None), async () =>
            {
                Assert.Equal(file, world.Store.Objects[key]);
                Assert.Equal(file.Length, await world.QueryAsync<long>($"select file_size from object where key = '{key}'"));
                await world.Pushes.AbortAsync(CacheName.Default, opened.Id, None);
            });
        },
        ["niks3 present"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(async () => Assert.NotEmpty(await world.Core.Niks3Pushes.PresentAsync(CacheName.Default,
                [World.Hash($"{name}-b")], None)), () => SeenAsync(world, name));
        },
        ["nix publish"] = async (world, name) =>
        {
            await new StockNix(world).PutNarAsync(name);
            return new Kind(() => new StockNix(world).PutInfoAsync(name), async () =>
                Assert.True(await new StockNix(world).AskAsync(name)));
        },
    };

    private static BeginPush Closure(string name) => World.Chain($"{name}-a", $"{name}-b");

    private static Niks3Push Niks3(PathDeclaration path) =>
        new() { Roots = [path.Path.Hash], Paths = [new Niks3Path(path.Path.Hash, path.NarHash, path.NarSize, path.References)], Objects = [] };

    // A path whose NAR can be made, and its file.
    private static (PathDeclaration Path, byte[] File) Small(string name) =>
        (World.Path(name, size: name.Length), Zstd.Compress(Encoding.UTF8.GetBytes(name)));

    private static Task<Kind> Ready(Func<Task> call, Func<Task>? end = null) =>
        Task.FromResult(new Kind(call, end ?? (() => Task.CompletedTask)));

    private static async Task<Kind> BegunAsync(World world, string name, Func<PushOpened, Task> call, Func<Task>? before = null)
    {
        var push = await world.BeginAsync(Closure(name));
        return new Kind(() => call(push), async () =>
        {
            if (before is not null)
                await before();
            await EndAsync(world, name, push);
        });
    }

    /// <summary>Whatever was uploaded before: the push completes.</summary>
    private static async Task EndAsync(World world, string name, PushOpened push)
    {
        var answer = await world.WaitAsync(push, $"{name}-a", $"{name}-b");
        await world.UploadAsync(push,
            [.. push.Uploads.Concat(answer.Uploads).DistinctBy(u => u.Id).Where(u => answer.Paths.Any(p => p.Upload == u.Id))]);
        await CommitAsync(world, push);
        await SeenAsync(world, name);
    }

    private static async Task CommitAsync(World world, PushOpened push) =>
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);

    private static async Task PinnedAsync(World world, string name, string path, long revision)
    {
        await world.SettleAsync();
        Assert.Equal($"{name}-{path}", world.BucketPin(name));
        Assert.Equal(revision, (await world.ShowAsync(name)).Revision);
    }

    private static OperationId Operation(string name) => OperationId.TryParse(name, out var id) ? id : throw new FormatException(name);

    private static Task SeenAsync(World world, string name)
    {
        Assert.NotNull(world.NarInfoOf($"{name}-a"));
        Assert.NotNull(world.NarInfoOf($"{name}-b"));
        return Task.CompletedTask;
    }

    /// <param name="Call">May be made again and again.</param>
    /// <param name="End">What must be possible afterwards.</param>
    public sealed record Kind(Func<Task> Call, Func<Task> End);
}
