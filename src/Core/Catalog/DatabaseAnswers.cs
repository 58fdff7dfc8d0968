using Npgsql;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>What to do about an error of PostgreSQL.</summary>
internal enum DatabaseStep
{
    /// <summary>Unexpected: a fault of this program, reported as such.</summary>
    Fail,

    /// <summary>The statement collided with another one; the same statement will succeed.</summary>
    Repeat,

    /// <summary>
    /// The statement exceeded an admin's time limit. It may have waited for another one, so it runs once more, but no oftener, as each
    /// attempt takes as long.
    /// </summary>
    RepeatOnce,

    /// <summary>The server or the connection went away; the statement may succeed on another connection.</summary>
    Reconnect,

    /// <summary>No repetition helps before a person acts.</summary>
    Tell,

    /// <summary>The database cannot store a value of the request.</summary>
    Refuse,
}

/// <summary>
/// The one table of PostgreSQL's answers: the step, and the sentence for whoever has to wait or act. <c>docs/operations.md</c> lists it.
/// </summary>
internal readonly record struct DatabaseAnswer(DatabaseStep Step, string Sentence)
{
    /// <summary>The disk stays full until a person makes room, so clients are told to wait for minutes.</summary>
    public bool IsFullDisk { get; private init; }

    public ProblemKind Kind => Step == DatabaseStep.Refuse ? ProblemKind.BadRequest : IsFullDisk ? ProblemKind.DiskFull
        : ProblemKind.Unavailable;

    private const string Gone = "The database did not answer in time. Send the same request again.";

    public static DatabaseAnswer Of(NpgsqlException e) => e is PostgresException answer ? Of(answer.SqlState)
        : e.IsTransient || e.InnerException is IOException or System.Net.Sockets.SocketException or TimeoutException
            ? new DatabaseAnswer(DatabaseStep.Reconnect, Gone)
        : new DatabaseAnswer(DatabaseStep.Tell, Gone);

    public static DatabaseAnswer Of(string state) => state switch
    {
        "40P01" or "40001" or "55P03" or "23505" => new(DatabaseStep.Repeat,
            "Others change the same rows all the time, and the database gave way to them. Send the same request again."),
        "57P01" or "57P02" or "57P03" => new(DatabaseStep.Reconnect, "The database is stopping or starting. Send the same request again."),
        "57P05" => new(DatabaseStep.Reconnect,
            "The database ends idle sessions (idle_session_timeout). Set it to 0 for this server's role."),
        "25P03" or "25P04" =>
            new(DatabaseStep.Reconnect,
            "The database ended a transaction (idle_in_transaction_session_timeout, transaction_timeout). Set both to 0 for this server's role."),
        "53300" => new(DatabaseStep.Reconnect,
            "The database has no connection left (max_connections). Raise it, or let the servers share fewer (Maximum Pool Size)."),
        "25006" => new(DatabaseStep.Reconnect,
            "The database is read-only: it is a standby, or default_transaction_read_only is on. Connect to the primary (Target Session " +
            "Attributes=primary)."),
        "57014" => new(DatabaseStep.RepeatOnce,
            "The database broke the statement off (statement_timeout). Set it to 0 for this server's role."),
        "53100" => new(DatabaseStep.Tell,
            "The database's disk is full. Make room there; nothing that was acknowledged is lost.")
        { IsFullDisk = true },
        "53200" => new(DatabaseStep.Repeat, "The database has no memory left. Lower work_mem or max_connections there."),
        "42501" => new(DatabaseStep.Tell,
            "The database denies this server's role a right. Let that role own the database, or its schema 'public'."),
        "42883" or "3F000" or "42P01" or "42703" =>
            new(DatabaseStep.Tell,
            "The catalog's functions are not there: a newer server has changed the database, or somebody dropped them. Start this server " +
            "again, or a newer one."),
        "57P04" or "3D000" => new(DatabaseStep.Tell, "The database is not there any more. Create it, or name another."),
        "28000" or "28P01" =>
            new(DatabaseStep.Tell, "The database refuses this server's role or password. Mend --postgres, or pg_hba.conf there."),
        "58030" or "58P01" or "58P02" => new(DatabaseStep.Tell, "The database cannot read or write its files. Look at its log."),
        _ when state.StartsWith("22", StringComparison.Ordinal) =>
            new(DatabaseStep.Refuse,
                "A value of this request is none that the database can keep, such as a text with a NUL character or a number that is too large."),
        _ when state.StartsWith("08", StringComparison.Ordinal) => new(DatabaseStep.Reconnect, Gone),
        _ when state.StartsWith("53", StringComparison.Ordinal) =>
            new(DatabaseStep.Tell, $"The database has too little of something (SQLSTATE {state}). Look at its log."),
        _ => new(DatabaseStep.Fail, ""),
    };
}
