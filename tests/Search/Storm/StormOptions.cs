using System.Globalization;

namespace OrleansCache.Storm;

/// <summary>How hard and how long.</summary>
public sealed record StormOptions
{
    /// <summary>Of faults; start, quiescence and the last checks come on top.</summary>
    public double Minutes { get; init; } = 1;

    /// <summary>Decides what is pushed, pinned, killed and when, as far as the scheduler lets it.</summary>
    public int Seed { get; init; } = Random.Shared.Next();

    public int Pushers { get; init; } = 200;

    public int Gateways { get; init; } = 4;

    /// <summary>The gateways are silos of a cluster, and PostgreSQL is restarted half way.</summary>
    public bool Orleans { get; init; }

    /// <summary>Store paths that there are in all. A closure has up to <see cref="Universe.LargestClosure"/> of them.</summary>
    public int Paths { get; init; } = 600;

    /// <summary>Logs and, after a violation, catalog and keys; kept unless all was well. Null: a new temporary folder.</summary>
    public string? Folder { get; init; }

    /// <summary>What the pushers speak, in equal shares. Who moves pins speaks our own protocol always.</summary>
    public IReadOnlyList<ClientKind> Clients { get; init; } = Enum.GetValues<ClientKind>();

    /// <summary>
    /// Clients beside them that have a push token of their own each, and do what it must not let them. Null: two, where all kinds of
    /// clients are.
    /// </summary>
    public int? Hostile { get; init; }

    /// <summary>
    /// How many: each beside the default one has pushers of its own to the same paths, a quota that they meet, keys that are rotated, and
    /// two hostile clients between it and the default one.
    /// </summary>
    public int Caches { get; init; } = 1;

    internal int HostileClients => Hostile ?? (Clients.Count == Enum.GetValues<ClientKind>().Length ? 2 : 0);

    /// <summary>
    /// The folder of another build's programs: the gateways begin as these, and are replaced by ours after a third of the time.
    /// </summary>
    public string? From { get; init; }

    /// <summary>
    /// After so many seconds a NAR of a pinned closure is deleted behind the gateways' backs: a storm that does not notice is worth
    /// nothing.
    /// </summary>
    public double? SabotageAfter { get; init; }

    /// <exception cref="FormatException">An argument is unknown or wrong.</exception>
    public static StormOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new StormOptions();
        var left = new Queue<string>(arguments);
        while (left.TryDequeue(out var argument))
        {
            var value = left.TryDequeue(out var given) ? given : throw new FormatException($"{argument} wants a value.");
            options = argument switch
            {
                "--minutes" => options with
                {
                    Minutes = double.TryParse(value, CultureInfo.InvariantCulture, out var minutes)
                    && minutes > 0 ? minutes : throw Wrong()
                },
                "--seed" => options with { Seed = int.TryParse(value, CultureInfo.InvariantCulture, out var seed) ? seed : throw Wrong() },
                "--pushers" => options with { Pushers = Positive() },
                "--gateways" => options with { Gateways = Positive() is var gateways and > 1 ? gateways : throw Wrong() },
                "--paths" => options with { Paths = Positive() is var paths and >= 100 ? paths : throw Wrong() },
                "--engine" => options with
                {
                    Orleans = value switch { "orleans" => true, "direct" => false, _ => throw Wrong() },
                    Gateways = value == "orleans" ? 3 : options.Gateways
                },
                "--sabotage" => options with
                {
                    SabotageAfter = double.TryParse(value, CultureInfo.InvariantCulture, out var seconds)
                    && seconds > 0 ? seconds : throw Wrong()
                },
                "--clients" =>
                    options with
                    {
                        Clients = [.. value.Split(',').Select(name => Enum.TryParse<ClientKind>(name, ignoreCase: true,
                    out var kind) && !char.IsDigit(name[0]) ? kind : throw Wrong()).Distinct()]
                    },
                "--hostile" => options with
                {
                    Hostile = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture,
                    out var hostile) ? hostile : throw Wrong()
                },
                "--from" => options with { From = Directory.Exists(value) ? Path.GetFullPath(value) : throw Wrong() },
                "--caches" => options with { Caches = Positive() },
                "--keep" => options with { Folder = value },
                _ => throw new FormatException($"{argument} is unknown."),
            };

            int Positive() => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number
                : throw Wrong();
            FormatException Wrong() => new($"{argument} {value} is not possible.");
        }

        return options is { From: not null, Caches: > 1 }
            ? throw new FormatException("--from and --caches exclude each other: another build may know the default cache alone.") : options;
    }

    /// <summary>A generator of its own for each actor, so that one that is late does not change the choices of the others.</summary>
    public Random RandomFor(int actor) => new(HashSeed(Seed, actor));

    // Not HashCode.Combine, which differs from process to process.
    private static int HashSeed(int seed, int actor) => unchecked((int)(((uint)seed * 2654435761u) ^ ((uint)actor * 2246822519u)));
}
