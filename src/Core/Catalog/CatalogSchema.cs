using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace OrleansCache.Core.Catalog;

/// <summary>
/// Versioned migrations for the tables, and the functions in a schema named by their text: servers of two versions work side by side,
/// each with its own functions over the same tables.
/// </summary>
internal static class CatalogSchema
{
    // Arbitrary, but the same in every process, so that one migrates and the others wait.
    private const long MigrationLock = 0x4f72_6c65_616e_7343;

    private const string Migrations = ".Migrations.";

    // A request for a table's exclusive lock blocks every later request, so the migration waits briefly and tries again.
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(1);

    /// <param name="tell">Is told what the upgrade waits for.</param>
    public static async Task<CatalogChanges> InstallAsync(NpgsqlDataSource source, Func<string, string>? patch, Action<string>? tell,
        CancellationToken cancellationToken)
    {
        var text = FunctionText();
        if (patch is not null)
            text = patch(text);
        var schema = "orleans_cache_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12];
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await InstallAsync(source, schema, text, cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                if (attempt == 1 || attempt % 30 == 0)
                    tell?.Invoke(
                        $"The upgrade of the database waits for a lock that another session holds (another server's upgrade, or a backup " +
                        $"by pg_dump), and tries again; attempt {attempt}.");
                await Task.Delay(LockPatience, cancellationToken);
            }
        }
    }

    private static async Task<CatalogChanges> InstallAsync(NpgsqlDataSource source, string schema, string text,
        CancellationToken cancellationToken)
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        if (connection.PostgreSqlVersion.Major < DatabaseSettings.OldestVersion)
            throw new CatalogVersionException(
                $"PostgreSQL {connection.PostgreSqlVersion} is too old for the catalog. Update it to {DatabaseSettings.OldestVersion} or " +
                "newer, or name another in --postgres.");
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // An admin sets these for the statements of requests, not for a migration.
        await ExecuteAsync(connection,
            $"set local lock_timeout = {(int)LockPatience.TotalMilliseconds}; set local statement_timeout = 0; set local " +
            "idle_in_transaction_session_timeout = 0", cancellationToken);
        await ExecuteAsync(connection, $"select pg_advisory_xact_lock({MigrationLock})", cancellationToken);
        await ExecuteAsync(connection,
            "create table if not exists schema_version (version int primary key, name text not null, applied timestamptz not null " +
            "default clock_timestamp())", cancellationToken);
        var applied = (int)(await ScalarAsync(connection, "select coalesce(max(version), 0) from schema_version", cancellationToken))!;
        var migrations = Read(static n => n.Contains(Migrations, StringComparison.Ordinal));
        if (applied > migrations.Count)
            throw new CatalogVersionException(
                $"The database is of a newer version (schema {applied}) than this program (schema {migrations.Count}). Start a newer program.");

        for (var version = applied + 1; version <= migrations.Count; version++)
        {
            await ExecuteAsync(connection, migrations[version - 1].Text, cancellationToken);
            await ExecuteAsync(connection,
                $"insert into schema_version (version, name) values ({version}, '{migrations[version - 1].Name}')", cancellationToken);
        }

        var exists = (bool)(await ScalarAsync(connection, $"select exists (select from pg_namespace where nspname = '{schema}')",
            cancellationToken))!;
        if (!exists)
            await ExecuteAsync(connection,
                $"set local check_function_bodies = off; create schema {schema}; {text.Replace("@fn@", schema, StringComparison.Ordinal)}",
                cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new CatalogChanges([.. migrations.Skip(applied).Select(m => m.Name)], schema, !exists);
    }

    /// <summary>The version that the migrations of this program lead to.</summary>
    internal static int Version { get; } = Read(static n => n.Contains(Migrations, StringComparison.Ordinal)).Count;

    /// <summary>All functions, as they are before they get their schema.</summary>
    internal static string FunctionText() => string.Join('\n', Read(static n => !n.Contains(Migrations, StringComparison.Ordinal))
        .Select(f => f.Text));

    /// <summary>By name, wherever in the tree they lie.</summary>
    private static List<(string Name, string Text)> Read(Func<string, bool> isWanted)
    {
        var assembly = Assembly.GetExecutingAssembly();
        return [.. assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal) && isWanted(n))
            .Select(n =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(n)!);
                return (n.Split('.')[^2], reader.ReadToEnd());
            })
            .OrderBy(f => f.Item1, StringComparer.Ordinal)];
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Our own embedded text.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}

/// <summary>What bringing the database up to date has changed.</summary>
/// <param name="Migrations">The migrations that were applied, in order; empty when there was nothing to do.</param>
/// <param name="Functions">The schema that holds this version's functions.</param>
/// <param name="NewFunctions">That schema was not there before.</param>
public sealed record CatalogChanges(IReadOnlyList<string> Migrations, string Functions, bool NewFunctions);

/// <summary>The database was migrated by a newer version of the program, or its server is too old for this one.</summary>
public sealed class CatalogVersionException(string message) : Exception(message);
