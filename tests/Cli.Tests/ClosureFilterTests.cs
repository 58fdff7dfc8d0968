using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>A root whose closure has something that must not go is left out as a whole, and nothing of another root's closure is.</summary>
public sealed class ClosureFilterTests
{
    private readonly Dictionary<StorePathHash, PathInfo> _paths = [];

    [Fact]
    public void Without_a_filter_every_root_is_pushed()
    {
        var app = Add("app", needs: [Add("libc")]);

        AssertGoes(app, new ClosureFilter());
    }

    [Fact]
    public void A_root_that_needs_an_excluded_path_is_left_out_and_names_it()
    {
        var secret = Add("key-secret");
        var middle = Add("middle", needs: [secret]);
        var app = Add("app", needs: [Add("libc"), middle]);
        var other = Add("other", needs: [Add("libm")]);

        var (roots, leftOut) = new ClosureFilter { Excluded = ["*-secret"] }.Apply([app, other, secret], _paths);

        Assert.Equal([other], roots);
        Assert.Equal([(app, secret), (secret, secret)], leftOut.Select(root => (root.Root, root.Cause)));
        Assert.Contains("--exclude *-secret", leftOut[0].ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(app.Hash, ClosureFilter.Reachable(roots, _paths).Keys);
    }

    [Fact]
    public void A_shared_path_is_pushed_for_the_root_that_goes()
    {
        var libc = Add("libc");
        var app = Add("app", needs: [libc, Add("huge", size: 5000)]);
        var other = Add("other", needs: [libc]);

        var (roots, leftOut) = new ClosureFilter { MaxNarSize = 4999 }.Apply([app, other], _paths);

        Assert.Equal([other], roots);
        Assert.Equal("huge", Assert.Single(leftOut).Cause.Name);
        Assert.Equal(new[] { other.Hash, libc.Hash }.Order(), ClosureFilter.Reachable(roots, _paths).Keys.Order());
    }

    [Fact]
    public void A_nar_of_just_the_largest_size_goes()
    {
        var app = Add("app", size: 5000);

        AssertGoes(app, new ClosureFilter { MaxNarSize = 5000 });
    }

    [Fact]
    public void Only_roots_are_asked_for_a_wanted_name()
    {
        var app = Add("app-1.0", needs: [Add("libc")]);
        var other = Add("other", needs: [app]);

        var (roots, leftOut) = new ClosureFilter { Wanted = ["app-?.*"] }.Apply([app, other], _paths);

        Assert.Equal([app], roots);
        Assert.Equal((other, other), (leftOut[0].Root, leftOut[0].Cause));
    }

    [Fact]
    public void A_path_that_mentions_itself_and_a_chain_of_many_thousands_end()
    {
        var last = Add("end-secret");
        var chain = last;
        for (var i = 0; i < 20_000; i++)
            chain = Add($"link{i}", needs: [chain]);
        var self = Add("self");
        _paths[self.Hash] = _paths[self.Hash] with { References = [self.Hash] };

        var (roots, leftOut) = new ClosureFilter { Excluded = ["end-*"] }.Apply([chain, self], _paths);

        Assert.Equal([self], roots);
        Assert.Equal(last, Assert.Single(leftOut).Cause);
    }

    private void AssertGoes(StorePath root, ClosureFilter filter)
    {
        var (roots, leftOut) = filter.Apply([root], _paths);
        Assert.Equal([root], roots);
        Assert.Empty(leftOut);
    }

    private StorePath Add(string name, long size = 100, params StorePath[] needs)
    {
        var path = new StorePath(StorePathHash.FromBytes(Sha256Hash.Compute(System.Text.Encoding.UTF8.GetBytes(name)).ToArray()
            .AsSpan(..StorePathHash.ByteLength)), name);
        _paths.Add(path.Hash, new PathInfo
        {
            Path = path,
            NarHash = default,
            NarSize = size,
            References = [.. needs.Select(need => need.Hash)],
        });
        return path;
    }
}
