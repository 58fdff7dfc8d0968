using OrleansCache.Cli.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Cli.Tests.Store;

/// <summary>A folder of Nix's state with a database as Nix makes it, which nobody has open.</summary>
internal sealed class StateFolder : IDisposable
{
    public const string Hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    private readonly TempFolder _folder = new();

    public StateFolder(bool withLog = true)
    {
        Directory.CreateDirectory(_folder["db"]);
        File.WriteAllText(Schema, "10");
        Run(
            $"pragma journal_mode = {(withLog ? "wal" : "delete")}",
            "create table ValidPaths (id integer primary key autoincrement not null, path text unique not null, hash text not null, " +
                "registrationTime integer not null, deriver text, narSize integer, ultimate integer, sigs text, ca text)",
            "create table Refs (referrer integer not null, reference integer not null, primary key (referrer, reference))");
    }

    public string Path => _folder.Path;

    public string Database => _folder["db/db.sqlite"];

    public string Log => _folder["db/db.sqlite-wal"];

    public string Schema => _folder["db/schema"];

    public void Dispose() => _folder.Dispose();

    /// <summary>What Nix's variables say there.</summary>
    public string? Environment(string name) => name switch { "NIX_STATE_DIR" => Path, "HOME" or "NIX_CONF_DIR" => Path, _ => null };

    /// <summary>Registers a path of the number, which refers to itself and to the path before it.</summary>
    public StorePath Add(int number)
    {
        var path = PathOf(number);
        Run($"insert into ValidPaths (id, path, hash, registrationTime, narSize) values ({number}, '{path}', '{Hash}', 1, 100)",
            $"insert into Refs select {number}, id from ValidPaths where id in ({number}, {number - 1})");
        return path;
    }

    public static StorePath PathOf(int number) => StorePath.Parse($"{number.ToString("d32", null)}-path");

    /// <summary>Runs statements as another user of the database, which is closed then.</summary>
    public void Run(params string[] statements)
    {
        using var sqlite = Sqlite.Create(Database);
        foreach (var statement in statements)
            _ = sqlite.Query(statement) ?? throw new InvalidOperationException(statement);
    }

    /// <summary>Takes the lock under which SQLite writes in the file, until it is disposed.</summary>
    public FileStream LockAsWriter()
    {
        var file = new FileStream(Database, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        if (!OperatingSystem.IsMacOS())
            file.Lock(0x40000002, 510);
        return file;
    }

    /// <summary>Opens the database as Nix's daemon does, and keeps it open.</summary>
    public Sqlite OpenDaemon()
    {
        var sqlite = Sqlite.Create(Database);
        _ = sqlite.Query("select count(*) from ValidPaths");
        return sqlite;
    }
}
