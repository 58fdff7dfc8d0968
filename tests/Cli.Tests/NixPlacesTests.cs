using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>Where the files of the store are that Nix is told to use.</summary>
public sealed class NixPlacesTests
{
    [Theory]
    [InlineData("", "/nix/store", "/nix/var/nix/db/db.sqlite", "/nix/var/log/nix/drvs")]
    [InlineData("auto", "/nix/store", "/nix/var/nix/db/db.sqlite", "/nix/var/log/nix/drvs")]
    [InlineData("daemon", "/nix/store", "/nix/var/nix/db/db.sqlite", "/nix/var/log/nix/drvs")]
    [InlineData("unix:///run/nix.socket", "/nix/store", "/nix/var/nix/db/db.sqlite", "/nix/var/log/nix/drvs")]
    [InlineData("unix:///run/nix.socket?root=/r", "/r/nix/store", "/r/nix/var/nix/db/db.sqlite", "/r/nix/var/log/nix/drvs")]
    [InlineData("/r", "/r/nix/store", "/r/nix/var/nix/db/db.sqlite", "/r/nix/var/log/nix/drvs")]
    [InlineData("local?root=/r/", "/r/nix/store", "/r/nix/var/nix/db/db.sqlite", "/r/nix/var/log/nix/drvs")]
    [InlineData("local?root=%2Fa%20b", "/a b/nix/store", "/a b/nix/var/nix/db/db.sqlite", "/a b/nix/var/log/nix/drvs")]
    [InlineData("local?root=/r&state=/s&log=/l&real=/p", "/p", "/s/db/db.sqlite", "/l/drvs")]
    public void A_store_of_this_machine_is_read_where_it_lies(string store, string paths, string database, string logs)
    {
        var places = NixPlaces.Of(store, _ => null);

        Assert.Equal((paths, database, logs), (places.Store, places.Database, places.BuildLogs));
    }

    [Fact]
    public void Variables_move_what_has_no_root_of_its_own()
    {
        static string? Moved(string name) => name switch { "NIX_STATE_DIR" => "/s", "NIX_LOG_DIR" => "/l", _ => null };

        Assert.Equal(("/s/db/db.sqlite", "/l/drvs"), (NixPlaces.Of("daemon", Moved).Database, NixPlaces.Of("daemon", Moved).BuildLogs));
        Assert.Equal(("/r/nix/var/nix/db/db.sqlite", "/r/nix/var/log/nix/drvs"),
            (NixPlaces.Of("/r", Moved).Database, NixPlaces.Of("/r", Moved).BuildLogs));
    }

    [Theory]
    [InlineData("ssh://host")]
    [InlineData("ssh-ng://host")]
    [InlineData("https://cache.example.org")]
    [InlineData("s3://bucket")]
    [InlineData("file:///cache")]
    [InlineData("dummy://")]
    public void A_store_whose_files_are_elsewhere_is_refused(string store)
    {
        var error = Assert.Throws<CliException>(() => NixPlaces.Of(store, _ => null));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.Contains(store, error.Message, StringComparison.Ordinal);
        Assert.Contains("NIX_REMOTE", error.Message, StringComparison.Ordinal);
    }

    [NixFact]
    public async Task Nix_tells_the_store_of_its_configuration_too()
    {
        using var root = new TempFolder();
        var nix = Path.Combine(root.Path, "nix");
        Script.Write(nix, $"#!/bin/sh\nexport NIX_CONFIG='use-case-hack = true\nstore = {root}/chroot'\nexec nix \"$@\"\n");

        var places = await new LocalStore(nix).PlacesAsync(CancellationToken.None);

        Assert.Equal(($"{root}/chroot/nix/store", true), (places.Store, places.CaseHack));
    }
}
