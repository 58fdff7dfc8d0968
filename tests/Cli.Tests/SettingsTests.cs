using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using Xunit;

namespace OrleansCache.Cli.Tests;

public class SettingsTests
{
    private static readonly ConfigFile File = ConfigFile.Parse("config",
        "# ours\nurl = http://file/  # the end\ncache=file\ntoken-file = ~/token\nlevel = 9\n");

    private static ServerSettings Resolve(Flags flags, params (string Name, string Value)[] environment) =>
        ServerSettings.Resolve(flags, name => environment.FirstOrDefault(variable => variable.Name == name).Value, File);

    [Fact]
    public void A_flag_comes_before_the_environment_and_that_before_the_file()
    {
        (string, string)[] environment = [("ORLEANS_CACHE_URL", "http://environment"), ("HOME", "/home/me")];

        Assert.Equal("http://flag/", Resolve(new Flags(Url: "http://flag"), environment).Url.AbsoluteUri);
        Assert.Equal("http://environment/", Resolve(new Flags(), environment).Url.AbsoluteUri);
        Assert.Equal("http://file/", Resolve(new Flags(), ("HOME", "/home/me")).Url.AbsoluteUri);
        Assert.Equal(ServerSettings.DefaultUrl + "/", ServerSettings.Resolve(new Flags(), _ => null, null).Url.AbsoluteUri);
    }

    [Fact]
    public void The_file_sets_what_nothing_else_does()
    {
        var settings = Resolve(new Flags(), ("HOME", "/home/me"));

        Assert.Equal(("file", "/home/me/token", 9), (settings.Cache, settings.TokenFile, settings.Level));
        Assert.Equal(4, Resolve(new Flags(Level: 4)).Level);
    }

    [Theory]
    [InlineData("urll = x", "config:1")]
    [InlineData("\nno equals sign", "config:2")]
    public void A_wrong_line_is_named_with_its_number(string text, string place)
    {
        var error = Assert.Throws<CliException>(() => ConfigFile.Parse("config", text));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cache.example.org")]
    [InlineData("ftp://host")]
    [InlineData("http://user:secret@host")]
    [InlineData("http://host/?query")]
    public void A_url_that_cannot_be_a_server_is_refused_with_its_source(string url)
    {
        var error = Assert.Throws<CliException>(() => Resolve(new Flags(Url: url)));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.Contains("--url", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/xdg", "/home/me", "/xdg/orleans-cache/config")]
    [InlineData("relative", "/home/me", "/home/me/.config/orleans-cache/config")]
    [InlineData(null, "/home/me", "/home/me/.config/orleans-cache/config")]
    [InlineData(null, null, null)]
    public void The_file_is_where_the_specification_says(string? xdg, string? home, string? path) =>
        Assert.Equal(path, ConfigFile.DefaultPath(name => name == "HOME" ? home : xdg));

    [Fact]
    public void A_token_is_trimmed_and_never_shown_when_it_is_wrong()
    {
        var file = Path.GetTempFileName();
        try
        {
            var settings = Resolve(new Flags(TokenFile: file));
            System.IO.File.WriteAllText(file, "secret\n");
            Assert.Equal("secret", settings.ReadToken());

            System.IO.File.WriteAllText(file, "secret\nanother");
            Assert.DoesNotContain("secret", Assert.Throws<CliException>(settings.ReadToken).Message, StringComparison.Ordinal);
        }
        finally
        {
            System.IO.File.Delete(file);
        }
    }
}
