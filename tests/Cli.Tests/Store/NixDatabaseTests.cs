using OrleansCache.Cli.Store;
using Xunit;

namespace OrleansCache.Cli.Tests.Store;

/// <summary>What is read of a database is one commit's state, whoever writes meanwhile.</summary>
public sealed class NixDatabaseTests : IDisposable
{
    private readonly StateFolder _state = new();

    public void Dispose() => _state.Dispose();

    [Fact]
    public void A_database_that_nobody_has_open_is_read_and_gets_no_log()
    {
        _state.Add(1);

        Assert.Equal(1, Count(new NixDatabase(_state.Database)));
        Assert.Equal(["db.sqlite", "schema"], Directory.GetFiles(Path.GetDirectoryName(_state.Database)!).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void What_is_only_in_the_log_is_read()
    {
        using var daemon = _state.OpenDaemon();
        _state.Add(1);

        Assert.True(new FileInfo(_state.Log).Length > 0);
        Assert.Equal(1, Count(new NixDatabase(_state.Database)));
    }

    [Fact]
    public void A_log_that_comes_while_the_file_is_read_stays_until_it_is_seen()
    {
        var hadLog = false;
        var database = new NixDatabase(_state.Database)
        {
            BeforeLook = () =>
            {
                // Who closes the database last deletes the log, and only the lock is in the way.
                _state.Add(1);
                hadLog = File.Exists(_state.Log);
            },
        };

        Assert.Equal(1, Count(database));
        Assert.True(hadLog);
    }

    [Fact]
    public void An_error_of_a_read_that_a_writer_met_is_none()
    {
        var reads = 0;
        var found = new NixDatabase(_state.Database).Read(sqlite =>
        {
            if (reads++ > 0)
                return Count(sqlite);
            _state.Add(1);
            throw new SqliteException("half of a change");
        });

        Assert.Equal((2, 1), (reads, found));
    }

    [Fact]
    public void A_file_that_has_taken_the_place_of_the_one_that_was_read_is_read_itself()
    {
        using var other = new StateFolder();
        other.Add(1);
        other.Add(2);
        var reads = 0;
        var database = new NixDatabase(_state.Database)
        {
            BeforeLook = () =>
            {
                if (reads++ == 0)
                    File.Move(other.Database, _state.Database, overwrite: true);
            },
        };

        Assert.Equal(2, Count(database));
    }

    [Fact]
    public void A_database_that_changes_all_the_time_is_not_believed()
    {
        var database = new NixDatabase(_state.Database)
        {
            BeforeLook = () => File.SetLastWriteTimeUtc(_state.Database, File.GetLastWriteTimeUtc(_state.Database).AddSeconds(1)),
        };

        Assert.Contains("it changes while it is read", Assert.Throws<SqliteException>(() => Count(database)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Who_writes_in_the_file_keeps_readers_out()
    {
        using var writer = _state.LockAsWriter();

        Assert.Contains("cannot be locked", Assert.Throws<SqliteException>(() => Count(new NixDatabase(_state.Database))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_log_or_with_other_locks_it_is_refused_where_it_must_be_right()
    {
        using var plain = new StateFolder(withLog: false);
        Refused(plain);

        Directory.CreateDirectory($"{_state.Database}.lock");
        Refused(_state);

        static void Refused(StateFolder state) => Assert.Contains("no write-ahead log", Assert.Throws<SqliteException>(() =>
            new NixDatabase(state.Database).Read(Count, onlyWithLog: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_that_is_read_with_a_log_is_one_state()
    {
        using var daemon = _state.OpenDaemon();

        var (before, after) = new NixDatabase(_state.Database).Read(sqlite =>
        {
            var first = Count(sqlite);
            _state.Add(1);
            return (first, Count(sqlite));
        });

        Assert.Equal((0, 0), (before, after));
    }

    private static int Count(NixDatabase database) => database.Read(Count);

    private static int Count(Sqlite sqlite) => int.Parse(sqlite.Query("select count(*) from ValidPaths")![0][0]!, null);
}
