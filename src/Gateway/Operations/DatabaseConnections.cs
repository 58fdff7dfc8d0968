using System.Diagnostics.Metrics;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// This process's connections to PostgreSQL by state. Npgsql reports them by pool, and names a pool that others made by its connection
/// string, which readers of the metrics must not see.
/// </summary>
internal sealed class DatabaseConnections : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Dictionary<string, long> _byState = [];
    private readonly Lock _reading = new();

    public DatabaseConnections()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Npgsql" && instrument.Name == "db.client.connection.count")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<int>((_, count, tags, _) => Add(count, tags));
        _listener.SetMeasurementEventCallback<long>((_, count, tags, _) => Add(count, tags));
        _listener.Start();
    }

    public IEnumerable<Measurement<long>> Read()
    {
        lock (_reading)
        {
            (_byState["idle"], _byState["used"]) = (0, 0);
            _listener.RecordObservableInstruments();
            return [.. _byState.Select(s => new Measurement<long>(s.Value, new KeyValuePair<string, object?>("state", s.Key)))];
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add(long count, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (var (name, value) in tags)
        {
            if (name == "db.client.connection.state" && value is string state)
                _byState[state] = _byState.GetValueOrDefault(state) + count;
        }
    }
}
