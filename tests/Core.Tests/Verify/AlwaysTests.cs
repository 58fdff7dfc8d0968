using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>Under <c>always</c>, nothing is signed that no server has read.</summary>
public sealed class AlwaysTests
{
    private static readonly TextNar A = TextNar.Mentioning("a", "b");
    private static readonly TextNar B = new("b", "beta");

    [Fact]
    public async Task A_commit_waits_until_its_NARs_are_read_and_says_how_many_are_left()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        var push = await world.SendAsync(Victim, World.Closure(B.Path(), A.Path("b")), A, B);
        Assert.Equal(2, await world.WaitingAsync());

        var waits = await world.CommitAsync(Victim, push);
        Assert.Equal(PushState.Committing, waits.State);
        Assert.Equal((2, A.File.Length + B.File.Length), (waits.Unread!.Nars, waits.Unread.Bytes));
        Assert.Contains("2 NARs", waits.WaitsFor, StringComparison.Ordinal);
        Assert.Empty(world.Store.NarInfos);

        Assert.Equal(2, await world.VerifyAsync());
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, push, TimeSpan.FromSeconds(30))).State);
        Assert.Equal(0, await world.WaitingAsync());
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from store_path where verified"));
        // The server has printed the listings, as nobody else did.
        Assert.Contains($"{World.Hash("a")}.ls", world.Store.Objects.Keys);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_declared_reference_that_does_not_occur_is_refused()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        var lie = new TextNar("a", "mentions nothing");
        var push = await world.SendAsync(Victim, World.Closure(B.Path(), lie.Path("b")), lie, B);
        await world.VerifyAsync();

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(Victim, push));

        Assert.Equal((ProblemKind.Untrue, World.Hash("a")), (refused.Kind, Assert.Single(refused.Paths!)));
        Assert.Empty(world.Store.NarInfos);
    }

    [Fact]
    public async Task What_the_NAR_mentions_and_nobody_declares_is_no_error()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        await PublishAsync(world, World.Closure(B.Path()), B);

        await PublishAsync(world, World.Closure(A.Path()), A);

        Assert.Empty(world.NarInfoOf("a")!.References);
    }

    [Fact]
    public async Task A_content_address_is_believed_when_the_bytes_have_it()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        var address = AddressedPath.OfNar(B.Path().NarHash);
        await PublishAsync(world, World.Closure((B with { Address = address }).Path()), B with { Address = address });
        Assert.Equal("verified", await world.QueryAsync<string>(
            $"select {world.Core.Database.Functions}.verification_of(id) from store_path where ca is not null"));

        var other = new TextNar("other", "something else") { Address = address };
        var lie = other.Path();
        var push = await world.SendAsync(Victim, World.Closure(lie), other);
        await world.VerifyAsync();
        Assert.Equal(ProblemKind.Untrue, (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(Victim, push))).Kind);
    }

    public static TheoryData<string, byte[]> Wrong()
    {
        var other = new TextNar("b", "other");
        byte[] larger = [.. B.Nar, .. new byte[64]];
        return new()
        {
            { "another NAR", other.File },
            { "truncated", B.File[..^3] },
            { "longer", Zstd.Compress(larger) },
            { "two frames", [.. B.File, .. other.File] },
            { "shorter", Zstd.Compress(B.Nar.AsSpan(0, B.Nar.Length - 8)) },
            { "not compressed", B.Nar },
            { "noise behind it", [.. B.File, 1, 2, 3, 4] },
            { "a bomb", Zstd.Compress(new byte[16 << 20]) },
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Other_bytes_are_refused_and_named_and_the_next_push_is_done(string what, byte[] file)
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        var push = await world.BeginAsync(Mallory, World.Closure(B.Path()));
        await world.UploadAsync(Mallory, push, ("b", file));
        await world.VerifyAsync();

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(Mallory, push));

        Assert.Equal(ProblemKind.MissingPaths, refused.Kind);
        Assert.True(await world.QueryAsync<bool>(
            "select detail ->> 'reason' <> '' and publisher = 'token:1' from audit where action = 'verify.refuse'"), what);
        await PublishAsync(world, World.Closure(B.Path()), B);
        await world.AssertSoundAsync();
    }

    [Theory]
    [InlineData(VerifyPolicy.Adopt, 1)]
    [InlineData(VerifyPolicy.Always, 0)]
    public async Task No_signature_is_told_of_what_is_to_be_read_first(VerifyPolicy policy, int signatures)
    {
        await using var world = await World.CreateAsync(verify: policy);
        var pushes = world.Core.Niks3Pushes.As(Mallory);
        var path = B.Path();
        var opened = await pushes.OpenAsync(CacheName.Default,
            new Niks3Push { Roots = [path.Path.Hash], Paths = [new(path.Path.Hash, path.NarHash, path.NarSize, [])] }, CancellationToken.None);
        await world.ExecuteAsync(
            "update object set state = 'stored', exclusive = false, leads = false, file_size = 1, recorded = true where state = 'claimed'");

        var told = await pushes.DeclareAsync(CacheName.Default, opened.Id, [new(path, [])], CancellationToken.None);

        Assert.Equal(signatures, told[path.Path.Hash].Count);
    }

    [Fact]
    public async Task What_was_read_is_known_as_long_as_its_object_is_there()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        await PublishAsync(world, World.Closure(B.Path()), B);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from proof"));

        await world.CollectAsync(World.Everything);
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal("gone 0", await world.QueryAsync<string>("select state || ' ' || (select count(*) from proof) from object"));
    }

    internal static async Task PublishAsync(World world, BeginPush closure, params TextNar[] nars)
    {
        var push = await world.SendAsync(Victim, closure, nars);
        await world.VerifyAsync();
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, push, TimeSpan.FromSeconds(30))).State);
    }
}
