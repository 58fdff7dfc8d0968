using OrleansCache.Cli.Http;
using Xunit;

namespace OrleansCache.Cli.Tests;

public sealed class ServerNamesTests
{
    [Theory]
    [InlineData("http://127.0.0.1:5751", "http://127.0.0.1:5751/")]
    [InlineData("http://localhost:5751", "http://127.0.0.1:5751")]
    [InlineData("https://Cache.example.org/nix/", "https://cache.example.org:443/nix")]
    public void A_server_that_is_asked_by_its_own_name_is_not_doubted(string asked, string named) =>
        Assert.Null(ServerNames.FindDoubt(new Uri(asked), "default", new Uri(named)));

    [Theory]
    [InlineData("http://127.0.0.1:5751", "http://127.0.0.1:5751/c/team", false)]
    [InlineData("https://cache.example.org", "https://team.example.org", false)]
    [InlineData("https://cache.example.org", "http://127.0.0.1:5751/c/team", true)]
    public void Other_caches_are_below_the_server_or_have_hosts_of_their_own(string asked, string named, bool isDoubted) =>
        Assert.Equal(isDoubted, ServerNames.FindDoubt(new Uri(asked), "team", new Uri(named)) is not null);

    [Theory]
    [InlineData("https://cache.example.org", "http://127.0.0.1:5751", "leads every other machine to itself")]
    [InlineData("https://cache.example.org/nix", "https://cache.example.org", "If readers cannot use the former")]
    [InlineData("https://cache.example.org", "http://cache.example.org", "If readers cannot use the former")]
    [InlineData("http://10.0.0.1:8080", "http://10.0.0.1:5751", "If readers cannot use the former")]
    public void Another_name_is_told_with_the_option_that_mends_it(string asked, string named, string says)
    {
        var doubt = ServerNames.FindDoubt(new Uri(asked), "default", new Uri(named));

        Assert.Contains(says, doubt, StringComparison.Ordinal);
        Assert.Contains(named, doubt, StringComparison.Ordinal);
        Assert.EndsWith($"start the server with --public-url {asked}.", doubt, StringComparison.Ordinal);
    }
}
