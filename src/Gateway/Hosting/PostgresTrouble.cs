using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Why the database cannot be used at the start, in one sentence that names it and says what to do. The sentence never has the password.
/// </summary>
internal static class PostgresTrouble
{
    public static StartupException Tell(string connectionString, Exception e)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        var cause = e as NpgsqlException ?? e.InnerException as NpgsqlException;
        var (role, database) = (settings.Username ?? Environment.UserName, settings.Database ?? settings.Username ?? Environment.UserName);
        var place = settings.Host is { } host && (host.StartsWith('/') || host.Contains(',', StringComparison.Ordinal)) ? host
            : FormattableString.Invariant($"{settings.Host}:{settings.Port}");
        var why = cause switch
        {
            PostgresException answer =>
                $"{answer.MessageText}. " +
                $"{Advice(answer.SqlState, role, database) ?? (e as CacheProblemException)?.Message ?? "Look at its log."}",
            { InnerException: { } inner } => $"{inner.Message}. Does it run there, and is --postgres right?",
            null when e is not CacheProblemException => $"{e.Message}. Does it run there, and is --postgres right?",
            _ => (cause ?? e).Message,
        };
        return new StartupException(
            $"PostgreSQL cannot be used ({place}, database {database}, role {role}): " +
            $"{why.ReplaceLineEndings(" ").Replace("..", ".", StringComparison.Ordinal)}", e);
    }

    private static string? Advice(string state, string role, string database) => state switch
    {
        "28P01" or "28000" => "Mend the role or its password in --postgres, or pg_hba.conf there.",
        "3D000" => $"Create it ('create database \"{database}\" owner \"{role}\"'), or name another in --postgres.",
        "42501" => $"The server makes its tables there: let the role own the database ('alter database \"{database}\" owner to \"{role}\"').",
        "25006" => "It is a standby, or default_transaction_read_only is on: connect to the primary (Target Session Attributes=primary).",
        "53300" => "Raise max_connections there, or let the servers share fewer (Maximum Pool Size).",
        "57P03" => "It is starting or stopping: start this server again in a moment.",
        _ => null,
    };
}
