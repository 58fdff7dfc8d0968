using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Deployments;

/// <summary>Deployments as rows of the catalog: one for each machine and pin.</summary>
internal sealed class CatalogDeployments(CacheDirectory caches, CatalogDatabase database) : IDeployments
{
    /// <summary>Rows of a cache: whoever may report could make up names of machines.</summary>
    public const int MaxRows = 10_000;

    public async Task ReportAsync(CacheName cache, PinName pin, MachineName machine, DeploymentReport report, Caller caller,
        CancellationToken cancellationToken)
    {
        Check(report);
        var outcome = OutcomeText.Parse<ReportOutcome>("report_deployment", await database.SingleAsync(
            "select @fn@.report_deployment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            p => p.With(caches.IdOf(cache)).With(pin.ToString()).With(machine.ToString()).With(report.Path.Hash.ToArray())
                .With(report.Path.Name).WithNullable(report.Revision, NpgsqlDbType.Bigint).With(OutcomeText.Of(report.Outcome))
                .WithNullable(report.Message is { Length: > 0 } why ? why : null, NpgsqlDbType.Text).With(report.Time.UtcDateTime)
                .With(caller.Publisher).WithAddress(caller).With(MaxRows),
            r => r.GetString(0), cancellationToken));
        if (outcome == ReportOutcome.Unknown)
            throw new CacheProblemException(ProblemKind.UnknownPin, $"There is no pin '{pin}'.");
        if (outcome == ReportOutcome.Full)
            throw new CacheProblemException(ProblemKind.QuotaExceeded, string.Create(CultureInfo.InvariantCulture,
                $"Cache '{cache}' knows of {MaxRows} deployments already, and takes no further machine: those that report no more are " +
                $"forgotten after 90 days."));
    }

    public async Task<DeploymentList> ListAsync(CacheName cache, CancellationToken cancellationToken) => new()
    {
        Deployments = await database.ListAsync(
            """
            select d.pin, d.machine, d.path, d.path_name, d.revision, d.since, d.last_path, d.last_name, d.last_revision, d.outcome, d.message, d.at, d.seen, d.publisher,
              d.path is distinct from s.hash
            from deployment d left join pin p on p.cache_id = d.cache_id and p.name = d.pin and not p.deleted left join store_path s on s.id = p.path_id
            where d.cache_id = $1 order by d.pin collate "C", d.machine collate "C"
            """,
            p => p.With(caches.IdOf(cache)), Read, cancellationToken),
    };

    private static void Check(DeploymentReport report)
    {
        if (report.Revision is < 1)
            throw Bad("revision is 1 or more; leave it out where it is not known.");
        if (report.Message is { } message && (message.Length > DeploymentReport.MaxMessage || message.Any(char.IsControl)))
            throw Bad($"message is at most {DeploymentReport.MaxMessage} characters on one line.");
        // What PostgreSQL can store, and no clock of a machine is further off.
        if (report.Time.Year is < 1970 or > 9000)
            throw Bad("time is when the attempt ended, such as 2030-01-31T12:00:00Z.");
    }

    private static Deployment Read(NpgsqlDataReader r) => new()
    {
        Pin = PinName.Parse(r.GetString(0)),
        Machine = MachineName.Parse(r.GetString(1)),
        Path = r.IsDBNull(2) ? null : ReadPath(r, 2),
        Revision = Number(r, 4),
        Since = r.IsDBNull(5) ? null : r.GetDateTime(5),
        Last = new DeploymentReport
        {
            Path = ReadPath(r, 6),
            Revision = Number(r, 8),
            Outcome = OutcomeText.Parse<DeploymentOutcome>("report_deployment", r.GetString(9)),
            Message = r.IsDBNull(10) ? null : r.GetString(10),
            Time = r.GetDateTime(11),
        },
        Seen = r.GetDateTime(12),
        Publisher = r.GetString(13),
        Behind = r.GetBoolean(14),
    };

    private static long? Number(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : r.GetInt64(at);

    private static StorePath ReadPath(NpgsqlDataReader r, int at) => new(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(at)),
        r.GetString(at + 1));

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);
}
