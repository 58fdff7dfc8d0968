using OrleansCache.Cli.Store;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Store;

/// <summary>Whether Nix may use another store than this machine's, by its variables and files.</summary>
public sealed class NixSettingsTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _environment = [];

    public NixSettingsTests() =>
        (_environment["HOME"], _environment["NIX_CONF_DIR"], _environment["XDG_CONFIG_DIRS"]) = (_folder.Path, _folder["etc"], _folder["xdg"]);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("NIX_REMOTE", "")]
    [InlineData("NIX_REMOTE", "auto")]
    [InlineData("NIX_REMOTE", "daemon")]
    [InlineData("NIX_REMOTE", "local")]
    [InlineData("NIX_CONFIG", "max-jobs = 4\n# store = /elsewhere\nextra-substituters = https://store\n!include /nonexistent\n")]
    public void The_store_of_this_machine_needs_no_question(string name, string value)
    {
        _environment[name] = value;

        Assert.Null(FindOther());
    }

    [Theory]
    [InlineData("NIX_REMOTE", "ssh://host")]
    [InlineData("NIX_REMOTE", "ssh-ng://host")]
    [InlineData("NIX_REMOTE", "local?root=/r")]
    [InlineData("NIX_REMOTE", "unix:///run/nix.socket")]
    [InlineData("NIX_REMOTE", "/chroot")]
    [InlineData("NIX_STORE_DIR", "/gnu/store")]
    [InlineData("NIX_STORE", "/gnu/store")]
    [InlineData("NIX_DAEMON_SOCKET_PATH", "/run/other")]
    [InlineData("NIX_CONFIG", "store = /chroot")]
    [InlineData("NIX_CONFIG", "max-jobs = 4\n  store\t= ssh://host # far")]
    [InlineData("NIX_CONFIG", "use-case-hack = true")]
    [InlineData("NIX_CONFIG", "use-sqlite-wal = false")]
    [InlineData("NIX_CONFIG", "include /nonexistent")]
    public void What_may_move_the_store_is_a_question_for_Nix(string name, string value)
    {
        _environment[name] = value;

        Assert.NotNull(FindOther());
    }

    [Theory]
    [InlineData("etc/nix.conf", "", "")]
    [InlineData(".config/nix/nix.conf", "", "")]
    [InlineData("xdg/nix/nix.conf", "", "")]
    [InlineData("a/nix/nix.conf", "XDG_CONFIG_HOME", "a")]
    [InlineData("a/nix.conf", "NIX_CONFIG_HOME", "a")]
    [InlineData("a", "NIX_USER_CONF_FILES", "b:a")]
    public void Every_file_of_the_configuration_is_looked_at(string file, string name, string value)
    {
        _environment[name] = string.Join(':', value.Split(':').Select(part => _folder[part]));
        Assert.Null(FindOther());

        Write(file, "store = /chroot\n");

        Assert.Equal($"{_folder[file]} sets store", FindOther());
    }

    [Fact]
    public void What_a_file_includes_is_looked_at_too()
    {
        Write("etc/nix.conf", "!include more/nix.custom.conf\n");
        Assert.Null(FindOther());

        Write("etc/more/nix.custom.conf", "include ../nix.conf\nstore = /chroot\n");

        Assert.Equal($"{_folder["etc/more/nix.custom.conf"]} sets store", FindOther());
    }

    private void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[file])!);
        File.WriteAllText(_folder[file], text);
    }

    private string? FindOther() => NixSettings.FindOther(name => _environment.GetValueOrDefault(name));
}
