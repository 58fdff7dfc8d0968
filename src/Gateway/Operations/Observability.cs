using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using OrleansCache.Core;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Reads;

namespace OrleansCache.Gateway.Operations;

/// <summary><c>/metrics</c>, and the export of traces, metrics and logs over OTLP where the <c>OTEL_*</c> variables ask for it.</summary>
internal sealed class Observability(Func<string, string?> environment)
{
    public const string MetricsPath = "/metrics";
    private static readonly string Instance = Guid.CreateVersion7().ToString();
    private static readonly PathString[] Probes = ["/livez", "/readyz", MetricsPath];

    private readonly OtlpSignal _traces = new("TRACES", environment), _metrics = new("METRICS", environment),
    _logs = new("LOGS", environment);

    /// <summary>Spans are exported, so calls of other services may carry them on.</summary>
    public bool HasTraces => _traces.IsWanted;

    public void AddTo(WebApplicationBuilder builder)
    {
        // The SDK reads its other variables from here.
        builder.Configuration.AddInMemoryCollection(OtlpSignal.Variables());
        var telemetry = builder.Services.AddOpenTelemetry().ConfigureResource(Describe).WithMetrics(metrics =>
        {
            metrics.AddMeter(Telemetry.Name, "Microsoft.AspNetCore.Hosting", "System.Runtime")
                .AddPrometheusExporter(prometheus => prometheus.ScopeInfoEnabled = false);
            if (_metrics.IsWanted)
                metrics.AddOtlpExporter(_metrics.Configure);
        });
        if (_traces.IsWanted)
        {
            telemetry.WithTracing(traces => traces.AddSource(Telemetry.Name, "Npgsql", "Microsoft.Orleans.Application")
                .AddAspNetCoreInstrumentation(requests =>
            {
                requests.Filter = static http => !Probes.Contains(http.Request.Path);
                // The query of an upload URL is its credential.
                requests.EnrichWithHttpRequest = static (span, _) => span.SetTag("url.query", null);
            }).AddOtlpExporter(_traces.Configure));
        }
    }

    public void AddTo(ILoggingBuilder logging)
    {
        if (!_logs.IsWanted)
            return;
        logging.AddOpenTelemetry(log =>
        {
            var resource = ResourceBuilder.CreateDefault();
            Describe(resource);
            log.SetResourceBuilder(resource).AddOtlpExporter(_logs.Configure);
            log.IncludeFormattedMessage = true;
        });
    }

    public static void Map(WebApplication app)
    {
        // Open, as the probes are: Prometheus asks from inside, and a proxy need not pass the route on.
        app.MapPrometheusScrapingEndpoint(MetricsPath).WithMetadata(new HttpMethodMetadata(["GET"])).Needs(Access.Open).Add(endpoint =>
        {
            // Case-sensitive, unlike other routes: a proxy that hides /metrics from its clients would pass /METRICS.
            var scrape = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = http => http.Request.Path.Value == MetricsPath ? scrape(http)
                : Problems.WriteAsync(http, HttpProblem.NotFound, $"The metrics are at {MetricsPath}, spelt so.");
        });
        CacheCore.BeginCountersAtZero();
    }

    // The variables take precedence over our own description.
    private static void Describe(ResourceBuilder resource) =>
        resource.AddService(AppDomain.CurrentDomain.FriendlyName, serviceVersion: CacheInfos.ServerVersion, serviceInstanceId: Instance)
            .AddEnvironmentVariableDetector();
}

/// <summary>
/// One of <c>TRACES</c>, <c>METRICS</c> and <c>LOGS</c>, and the destination that the variables of the OpenTelemetry specification give it.
/// </summary>
internal sealed class OtlpSignal(string name, Func<string, string?> environment)
{
    private const string General = "OTEL_EXPORTER_OTLP_";

    /// <summary>True when an endpoint is given or <c>otlp</c> is named, and it is not switched off.</summary>
    public bool IsWanted { get; } = !"true".Equals(Get(environment, "OTEL_SDK_DISABLED"), StringComparison.OrdinalIgnoreCase)
        && (Get(environment, $"OTEL_{name}_EXPORTER") is { } exporters
        ? exporters.Split(',', StringSplitOptions.TrimEntries).Contains("otlp")
        : (Get(environment, General + "ENDPOINT") ?? Get(environment, $"{General}{name}_ENDPOINT")) is not null);

    /// <summary>The variables that the SDK knows.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> Variables() => Environment.GetEnvironmentVariables().Keys.Cast<string>()
        .Where(v => v.StartsWith("OTEL_", StringComparison.Ordinal))
            .Select(v => KeyValuePair.Create(v, Environment.GetEnvironmentVariable(v)));

    /// <summary>Sets the variables of this signal alone; the SDK has set those of all signals.</summary>
    /// <exception cref="StartupException">One of the variables cannot be understood.</exception>
    public void Configure(OtlpExporterOptions options)
    {
        if (Own("PROTOCOL") is { } protocol)
        {
            options.Protocol = protocol switch
            {
                "grpc" => OtlpExportProtocol.Grpc,
                "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
                _ => throw new StartupException($"{General}{name}_PROTOCOL is '{protocol}': grpc or http/protobuf is wanted."),
            };
        }

        // An endpoint for one signal is used as it is; one for all signals gets the signal's path appended.
        if (Own("ENDPOINT") is { } endpoint)
            options.Endpoint = Uri.TryCreate(endpoint, UriKind.Absolute, out var url) ? url
                : throw new StartupException($"{General}{name}_ENDPOINT is '{endpoint}': a URL is wanted.");
        if (Own("HEADERS") is { } headers)
            options.Headers = headers;
    }

    private string? Own(string variable) => Get(environment, $"{General}{name}_{variable}");

    private static string? Get(Func<string, string?> environment, string variable) => environment(variable) is { Length: > 0 } value
        ? value : null;
}
