using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Testing;
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
    public void An_audience_is_named_by_a_flag_a_variable_or_the_file()
    {
        var file = ConfigFile.Parse("config", "audience = ours\n");

        Assert.Equal("flag", ServerSettings.Resolve(new Flags { Audience = "flag" }, _ => null, file).Audience);
        Assert.Equal("variable", Resolve(new Flags(), ("ORLEANS_CACHE_AUDIENCE", "variable")).Audience);
        Assert.Equal("ours", ServerSettings.Resolve(new Flags(), _ => null, file).Audience);
        Assert.Null(Resolve(new Flags()).Audience);
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

    [Theory]
    [InlineData("flag", null, "environment", null, "flag")]
    [InlineData(null, "flag", "environment", null, "flag")]
    [InlineData(null, null, null, "environment", "environment")]
    [InlineData(null, null, "environment", null, "environment")]
    [InlineData(null, null, null, null, "/home/me/token")]
    public void Of_a_file_and_a_command_for_the_token_the_nearer_counts(string? file, string? command, string? fileOfEnvironment,
        string? commandOfEnvironment, string expected)
    {
        var settings = Resolve(new Flags(TokenFile: file) { TokenCommand = command }, ("HOME", "/home/me"),
            ("ORLEANS_CACHE_TOKEN_FILE", fileOfEnvironment ?? ""), ("ORLEANS_CACHE_TOKEN_COMMAND", commandOfEnvironment ?? ""));

        Assert.Equal(expected, settings.TokenFile ?? settings.TokenCommand);
        Assert.True(settings.TokenFile is null || settings.TokenCommand is null);
    }

    [Fact]
    public void A_file_and_a_command_for_the_token_at_one_place_are_refused()
    {
        var error = Assert.Throws<CliException>(() => Resolve(new Flags(TokenFile: "a") { TokenCommand = "b" }));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.Contains("--token-file and --token-command exclude each other", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_only_login_names_the_server_when_nothing_else_does_and_several_are_asked_about()
    {
        using var folder = new TempFolder();
        var logins = new LoginStore(folder["config"]);
        Assert.Equal(ServerSettings.DefaultUrl + "/", ServerSettings.Resolve(new Flags(), _ => null, null, logins).Url.AbsoluteUri);

        logins.Put(new Login { Url = "https://one.example.org/nix", Token = "t" });
        Assert.Equal("https://one.example.org/nix", ServerSettings.Resolve(new Flags(), _ => null, null, logins).Url.AbsoluteUri);
        Assert.Equal("http://flag/", ServerSettings.Resolve(new Flags(Url: "http://flag"), _ => null, null, logins).Url.AbsoluteUri);

        logins.Put(new Login { Url = "https://two.example.org", Token = "t" });
        Assert.Contains("--url", Assert.Throws<CliException>(() => ServerSettings.Resolve(new Flags(), _ => null, null, logins)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Logins_are_the_user_s_own_and_kept_by_server()
    {
        using var folder = new TempFolder();
        var logins = new LoginStore(folder["config"]);

        logins.Put(new Login { Url = "https://one.example.org", Token = "first" });
        logins.Put(new Login { Url = "https://one.example.org", Token = "second" });

        Assert.Equal("second", logins.Find(new Uri("https://one.example.org/"))?.Token);
        Assert.Equal(UnixMode.Own, UnixMode.Of(logins.Path));
        Assert.Equal(UnixMode.Own | UnixFileMode.UserExecute, UnixMode.Of(folder["config"]));
        Assert.NotNull(logins.Remove(new Uri("https://one.example.org")));
        Assert.Null(logins.Remove(new Uri("https://one.example.org")));
        System.IO.File.WriteAllText(logins.Path, "{");
        Assert.Contains("damaged", Assert.Throws<CliException>(() => logins.Read()).Message, StringComparison.Ordinal);
    }
}
