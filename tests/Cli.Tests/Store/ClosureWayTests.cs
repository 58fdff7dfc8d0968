using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Store;

/// <summary>The database tells a closure, or Nix is asked; both tell the same.</summary>
public sealed class ClosureWayTests : IDisposable
{
    private const string Aa = "aa9993e364706816aba3e25717850c26c9cd0d89daa9993e364706816aba3e25";

    private readonly StateFolder _state = new();
    private readonly TempFolder _folder = new();
    private readonly List<string> _traces = [];

    public void Dispose()
    {
        _folder.Dispose();
        _state.Dispose();
    }

    [Fact]
    public async Task A_closure_of_the_database_has_all_columns_and_no_Nix_is_started()
    {
        _state.Add(1);
        var drv = $"{StateFolder.PathOf(9)}.drv";
        _state.Run($"update ValidPaths set hash = 'sha256:{Aa}', narSize = null, deriver = '{drv}', ca = 'fixed:r:sha256:{new string('0', 52)}', " +
            "sigs = 'b:2 a:1 b:2'");
        var root = _state.Add(2);

        var found = await FindAsync("/nonexistent/nix", [root]);

        Assert.Equal([root.Hash, StateFolder.PathOf(1).Hash], found.Paths.Keys);
        var info = found.Paths[StateFolder.PathOf(1).Hash];
        Assert.Equal((StateFolder.PathOf(1), $"sha256:{Aa}", 0L), (info.Path, $"sha256:{info.NarHash.ToHex()}", info.NarSize));
        Assert.Equal((drv, $"fixed:r:sha256:{new string('0', 52)}"), (info.Deriver.ToString(), info.Ca));
        Assert.Equal(["a:1", "b:2"], info.Signatures);
        Assert.Equal([info.Path.Hash], info.References);
        Assert.Equal([info.Path.Hash, root.Hash], found.Paths[root.Hash].References);
        Assert.Equal(_state.Database, found.Places.Database);
        Assert.Empty(_traces);
    }

    [Theory]
    [InlineData("it has the schema 11", "schema 11")]
    [InlineData("its schema is not known", "no schema")]
    [InlineData("it does not exist", "no database")]
    [InlineData("it cannot be locked", "a writer")]
    [InlineData("file is not a database", "not a database")]
    [InlineData("malformed", "a damaged page")]
    [InlineData("no write-ahead log", "pragma journal_mode = delete")]
    [InlineData("no such column: ca", "alter table ValidPaths drop column ca")]
    [InlineData("no such table: Refs", "drop table Refs")]
    [InlineData("it has no row 7", "insert into Refs values (1, 7)")]
    [InlineData("it does not have", "delete from ValidPaths where id = 2")]
    [InlineData("a hash of", "update ValidPaths set hash = 'md5:0'")]
    [InlineData("a size of", "update ValidPaths set narSize = -1")]
    [InlineData("the path 'unknown-deriver'", "update ValidPaths set deriver = 'unknown-deriver'")]
    [InlineData("the path '/gnu/store", "update ValidPaths set path = '/gnu' || substr(path, 5) where id = 1")]
    [InlineData("a content address of", "update ValidPaths set ca = 'fixed:sha256:" + Aa + "'")]
    [InlineData("a signature of", "update ValidPaths set sigs = 'none'")]
    [InlineData("two paths of the hash", "insert into ValidPaths select 3, path || 'x', hash, 1, null, 1, null, null, null from ValidPaths " +
        "where id = 1; insert into Refs values (2, 3)")]
    public async Task Whatever_is_odd_Nix_is_asked_and_tells_the_same(string reason, string fault)
    {
        _state.Add(1);
        var root = _state.Add(2);
        var expected = Lines((await FindAsync("/nonexistent/nix", [root])).Paths);
        Assert.NotEmpty(expected);
        using var writer = fault == "a writer" ? _state.LockAsWriter() : null;
        Break(fault);

        var found = await FindAsync(Nix(root), [root]);

        Assert.Contains(reason, Assert.Single(_traces), StringComparison.Ordinal);
        Assert.Equal(expected, Lines(found.Paths));
    }

    [Theory]
    [InlineData("ssh://host")]
    [InlineData("https://cache.example.org")]
    public async Task A_store_elsewhere_is_refused_as_ever(string remote)
    {
        var root = _state.Add(1);
        var nix = Nix(root, remote);

        var error = await Assert.ThrowsAsync<CliException>(() => FindAsync(nix, [root], name => name == "NIX_REMOTE" ? remote : null));

        Assert.Contains(remote, error.Message, StringComparison.Ordinal);
    }

    /// <summary>An ordinary user beside root's daemon may read the log's index at most.</summary>
    [NixTheory]
    [InlineData("a+r", true, "read from")]
    [InlineData("a+r", false, "read from")]
    [InlineData("go-r shm", true, "told by 'nix path-info'")]
    [InlineData("go-r wal", true, "told by 'nix path-info'")]
    [InlineData("go-r", false, "told by 'nix path-info'")]
    public async Task An_ordinary_user_reads_what_may_be_read_and_asks_Nix_for_the_rest(string mode, bool isOpen, string expected)
    {
        using var daemon = isOpen ? _state.OpenDaemon() : null;
        if (isOpen)
            _state.Add(1);
        var (change, which) = mode.Split(' ') is [var only] ? (only, "db.sqlite") : (mode.Split(' ')[0], $"db.sqlite-{mode.Split(' ')[1]}");
        var doctor = await Client.ShellAsync($$"""
            chmod 755 {{_state.Path}} {{_state.Path}}/db {{_folder}}; chmod 644 {{_state.Path}}/db/*; chmod {{change}} {{_state.Path}}/db/{{which}}
            mkdir {{_folder}}/program; from=$(dirname "$CLIENT")
            cp "$from"/orleans-cache* {{_folder}}/program; cp "$from"/OrleansCache.{Nix,Contracts}.dll "$from"/System.CommandLine.dll {{_folder}}/program 2>/dev/null; chmod -R a+rX {{_folder}}/program
            [ $(id -u) != 0 ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"; [ $(id -u) = 0 ] || chmod 555 {{_state.Path}}/db
            HOME=/nonexistent NIX_STATE_DIR={{_state.Path}} $as {{_folder}}/program/orleans-cache doctor --url http://127.0.0.1:9; chmod 755 {{_state.Path}}/db
            """);

        var line = Assert.Single(doctor.Lines, line => line.Contains("  closures  ", StringComparison.Ordinal));
        if (Environment.UserName == "root" || change == "a+r") // who owns the files may read them whatever their mode
            Assert.StartsWith($"ok       closures        {expected}", line, StringComparison.Ordinal);
        Assert.Equal(isOpen, File.Exists(_state.Log));
    }

    private void Break(string fault)
    {
        switch (fault)
        {
            case "a writer": break;
            case "schema 11": File.WriteAllText(_state.Schema, "11"); break;
            case "no schema": File.Delete(_state.Schema); break;
            case "no database": File.Delete(_state.Database); break;
            case "not a database": Damage(0, 16); break;
            case "a damaged page": Damage(4096, int.MaxValue); break;
            default: _state.Run(fault.Split("; ")); break;
        }
    }

    private void Damage(int from, int length)
    {
        var bytes = File.ReadAllBytes(_state.Database);
        bytes.AsSpan(from, Math.Min(length, bytes.Length - from)).Fill((byte)'x');
        File.WriteAllBytes(_state.Database, bytes);
    }

    private Task<StoredClosure> FindAsync(string nix, IReadOnlyList<StorePath> roots, Func<string, string?>? more = null) =>
        new LocalStore(nix, name => more?.Invoke(name) ?? _state.Environment(name)) { Trace = _traces.Add }
            .FindAsync(roots, CancellationToken.None);

    /// <summary>A Nix that tells the two paths, and a store.</summary>
    private string Nix(StorePath root, string store = "auto")
    {
        var first = StateFolder.PathOf(1);
        var hash = Sha256Hash.Parse(StateFolder.Hash).ToSri();
        string Told(string path, string references) =>
            $"\"{path}\":{{\"narHash\":\"{hash}\",\"narSize\":100,\"references\":[{references}]}}";
        Script.Write(_folder["nix"], $$"""
            #!/bin/sh
            case "$*" in
                *path-info*) echo '{ {{Told(root.ToString(), $"\"{first}\",\"{root}\"")}},{{Told(first.ToString(), $"\"{first}\"")}} }';;
                *) echo '{"store": {"value":"{{store}}"} }';;
            esac
            """);
        return _folder["nix"];
    }

    private static List<string> Lines(IReadOnlyDictionary<StorePathHash, PathInfo> closure) => PathInfoText.Of(closure);
}
