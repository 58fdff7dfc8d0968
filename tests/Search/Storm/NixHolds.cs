using Npgsql;
using OrleansCache.Cli.Http;

namespace OrleansCache.Storm;

/// <summary>
/// Lets time pass for what is held for stock Nix, which is hours longer than a storm: as if its credentials had last been heard of a day
/// ago. In the end, for all that was left open.
/// </summary>
internal sealed class NixHolds(NpgsqlDataSource catalog, RetryPolicy retry)
{
    /// <summary>All that one credential holds; only between its copies.</summary>
    public Task LapseAsync(string credential, CancellationToken cancellationToken) =>
        LapseAsync("holder = $1", credential, cancellationToken);

    public Task LapseAllAsync(CancellationToken cancellationToken) => LapseAsync("true", null, cancellationToken);

    private Task<int> LapseAsync(string which, string? credential, CancellationToken cancellationToken) =>
        retry.RunAsync("letting holds lapse", async c =>
    {
        try
        {
            await using var command =
                catalog.CreateCommand(
                $"update push set expires = expires - interval '1 day', created = created - interval '1 day' where state = 'open' and {which}");
            if (credential is not null)
                command.Parameters.AddWithValue(credential);
            return await command.ExecuteNonQueryAsync(c);
        }
        catch (NpgsqlException e) when (e.IsTransient || e is PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected })
        {
            throw new TransientException(e.Message, null, e);
        }
    }, cancellationToken);
}
