using System.Text;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>
/// The fixtures are what each version of Nix printed for one closure; Lix and format 3 are made from them by their documentation.
/// </summary>
public class PathInfoJsonTests
{
    [Theory]
    [InlineData("path-info-2.8.json")]
    [InlineData("path-info-lix.json")]
    [InlineData("path-info-2.26.json")]
    [InlineData("path-info-2.34-format-1.json")]
    [InlineData("path-info-2.34-format-2.json")]
    [InlineData("path-info-format-3.json")]
    public void Every_version_says_the_same_of_one_closure(string fixture)
    {
        var infos = PathInfoJson.Parse(File.ReadAllBytes(Path.Combine("Fixtures", fixture)));

        Assert.Equal(5, infos.Count);
        var info = infos.Single(info => info.Path.Name == "ca-4");
        Assert.Equal("jvdm3sqphng65cm16728j7q2v14327gk", info.Path.Hash.ToString());
        Assert.Equal(576, info.NarSize);
        Assert.Equal("sha256-JQkcrSSCxXYiCYsyfxEwzHn8X4YzS3r4zlO+gETJppg=", info.NarHash.ToSri());
        Assert.Equal(["7hjadjskdkc0yy9c8vszrvnc94lva3a6", "jvdm3sqphng65cm16728j7q2v14327gk"],
            info.References.Select(hash => hash.ToString()).Order());
        Assert.Equal("p0b03v7bw62c3hsk2aabzklcfnyn1z8l-ca-4.drv", info.Deriver?.BaseName);
        // This path refers to itself: its content address is not its NAR hash.
        Assert.Equal("fixed:r:sha256:0im0ayr8pd6z3yiw01lgplzq79jnybbnq86aab037krmipg2z666", info.Ca);
    }

    [Fact]
    public void Signatures_of_format_3_become_those_of_a_narinfo()
    {
        var infos = PathInfoJson.Parse(File.ReadAllBytes(Path.Combine("Fixtures", "path-info-format-3.json")));

        Assert.All(infos, info => Assert.Equal(["k-1:c2ln"], info.Signatures));
    }

    [Theory]
    [InlineData("""[{"path":"/nix/store/7hjadjskdkc0yy9c8vszrvnc94lva3a6-gone","valid":false}]""")]
    [InlineData("""{"/nix/store/7hjadjskdkc0yy9c8vszrvnc94lva3a6-gone":null}""")]
    [InlineData("""{"info":{"7hjadjskdkc0yy9c8vszrvnc94lva3a6-gone":null},"storeDir":"/nix/store","version":2}""")]
    public void An_invalid_path_is_named(string json)
    {
        var error = Assert.Throws<CliException>(() => PathInfoJson.Parse(Encoding.UTF8.GetBytes(json)));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.Contains("7hjadjskdkc0yy9c8vszrvnc94lva3a6-gone", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[{}]")]
    [InlineData("""{"/nix/store/7hjadjskdkc0yy9c8vszrvnc94lva3a6-x":{"narHash":"sha256-x"}}""")]
    public void What_is_not_understood_is_an_error_and_no_crash(string json)
    {
        var error = Assert.Throws<CliException>(() => PathInfoJson.Parse(Encoding.UTF8.GetBytes(json)));

        Assert.Equal(ExitCodes.Failed, error.ExitCode);
    }

    [Theory]
    [InlineData("""{"method":"nar","hash":"sha256-EMIJ+giQ/gLIWoxmPKjno3zHZrxbGymgzGGyZvZBIdM="}""",
        "fixed:r:sha256:1lr187v6dck1rjh2j6svpikcfz53wyl3qrlcbb405zlh13x0khhh")]
    [InlineData(
        """{"method":"flat","hash":{"algorithm":"sha256","format":"base64","hash":"EMIJ+giQ/gLIWoxmPKjno3zHZrxbGymgzGGyZvZBIdM="}}""",
        "fixed:sha256:1lr187v6dck1rjh2j6svpikcfz53wyl3qrlcbb405zlh13x0khhh")]
    [InlineData("""{"method":"text","hash":"sha256-EMIJ+giQ/gLIWoxmPKjno3zHZrxbGymgzGGyZvZBIdM="}""",
        "text:sha256:1lr187v6dck1rjh2j6svpikcfz53wyl3qrlcbb405zlh13x0khhh")]
    [InlineData("null", null)]
    [InlineData("\"\"", null)]
    public void A_structured_content_address_becomes_that_of_a_narinfo(string ca, string? expected)
    {
        var json =
            $$"""{"/nix/store/7hjadjskdkc0yy9c8vszrvnc94lva3a6-x":{"narHash":"sha256-FePFYIlMuycIXPZbWi7LGEiMmZSX9FMbaQenWBzm1Sc=","narSize":1,"references":[],"ca":{{ca}} } }""";

        Assert.Equal(expected, PathInfoJson.Parse(Encoding.UTF8.GetBytes(json)).Single().Ca);
    }
}
