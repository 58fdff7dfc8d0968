using System.Text.Json.Nodes;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Cli.Tests.Fake;

/// <summary>
/// A Nix that the client finds in its PATH: a script that tells closures and places, a store of files, and a database of what was built.
/// The database stays open with its log, as that of a Nix daemon.
/// </summary>
public sealed class FakeNix : IDisposable
{
    private readonly TempFolder _folder = new("fake-nix-");
    private readonly FakeStore _store = new();
    private readonly Sqlite _database;
    private readonly Lock _lock = new();

    public FakeNix()
    {
        Directory.CreateDirectory(_folder["info"]);
        Directory.CreateDirectory(_folder["state/db"]);
        File.WriteAllText(_folder["config.json"],
            new JsonObject { ["store"] = new JsonObject { ["value"] = StoreUri } }.ToJsonString());
        Script.Write(_folder["nix"], $$"""
            #!/bin/sh
            case "$*" in
                *show-config*) cat '{{_folder}}/config.json'; exit;;
                *path-info*) ;;
                *) echo 'error: the fake knows no such command' >&2; exit 1;;
            esac
            all= separator=
            for word; do
                case $word in /nix/store/*)
                    [ -e "{{_folder}}/info/${word##*/}" ] || { echo "error: path '$word' is not valid" >&2; exit 1; }
                    read -r line < "{{_folder}}/info/${word##*/}"
                    all=$all$separator$line separator=,;;
                esac
            done
            printf '[%s]' "$all"
            """);
        _database = Sqlite.Create(Database);
        Run("pragma journal_mode = wal");
        Run("create table ValidPaths (id integer primary key autoincrement not null, path text unique not null, ultimate integer)");
        Run("create table if not exists Realisations (id integer primary key)");
    }

    public string Database => _folder["state/db/db.sqlite"];

    /// <summary>What a client's process needs to find it.</summary>
    public Dictionary<string, string?> Environment => new()
    {
        ["PATH"] = $"{_folder}:{System.Environment.GetEnvironmentVariable("PATH")}",
        ["NIX_CONFIG"] = $"store = {StoreUri}",
    };

    private string StoreUri => $"local?real={_store.Folder}&state={_folder["state"]}";

    public void Dispose()
    {
        _database.Dispose();
        _store.Dispose();
        _folder.Dispose();
    }

    /// <summary>Builds a path, which is then in the store and in the database.</summary>
    /// <param name="needs">A path with all that it needs.</param>
    internal PathInfo Build(string name, int size = 100, PathInfo? needs = null, bool isFetched = false)
    {
        lock (_lock)
        {
            var info = _store.Add(name, size);
            var closure = Json(info, needs);
            if (needs is not null)
                closure += $",{File.ReadAllText(InfoOf(needs.Path)).TrimEnd()}";
            File.WriteAllText(InfoOf(info.Path), $"{closure}\n");
            Run($"insert into ValidPaths (path, ultimate) values ('{info.Path}', {(isFetched ? "null" : "1")})");
            return info;
        }
    }

    /// <summary>Collects a path as garbage.</summary>
    internal void Collect(StorePath path)
    {
        lock (_lock)
        {
            Run($"delete from ValidPaths where path = '{path}'");
            File.Delete(InfoOf(path));
            Directory.Delete(Path.Combine(_store.Folder, path.BaseName), recursive: true);
        }
    }

    /// <summary>Changes a file of a path behind Nix's back.</summary>
    internal void Damage(StorePath path) => File.WriteAllText(Path.Combine(_store.Folder, path.BaseName, "file"), "damaged");

    private static string Json(PathInfo info, PathInfo? needs) => new JsonObject
    {
        ["path"] = info.Path.ToString(),
        ["narHash"] = info.NarHash.ToSri(),
        ["narSize"] = info.NarSize,
        ["references"] = needs is null ? new JsonArray() : new JsonArray(needs.Path.ToString()),
    }.ToJsonString();

    private string InfoOf(StorePath path) => _folder[$"info/{path.BaseName}"];

    private void Run(string sql) => _ = _database.Query(sql) ?? throw new InvalidOperationException(sql);
}
