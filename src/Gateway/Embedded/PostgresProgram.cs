using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Embedded;

/// <summary>An installed PostgreSQL: the folder of its programs and its major version.</summary>
internal sealed record PostgresProgram(string Folder, int Major)
{
    /// <summary>The oldest major version that the catalog's statements run on.</summary>
    public const int OldestMajor = 15;

    public string InitDb => Path.Combine(Folder, "initdb");

    public string Server => Path.Combine(Folder, "postgres");

    /// <summary>
    /// The PostgreSQL for a data directory: of the major version that wrote it, or the newest for a new one. It is looked for in
    /// <c>ORLEANS_CACHE_POSTGRES_BIN</c>, where Debian, Fedora and the official packages put it, and in <c>PATH</c>.
    /// </summary>
    /// <param name="dataFolder">The cluster's data folder; it need not exist.</param>
    /// <exception cref="StartupException">None is installed, or none of that version.</exception>
    public static PostgresProgram For(string dataFolder)
    {
        var installed = Candidates().Select(TryProbe).OfType<PostgresProgram>().DistinctBy(p => p.Major)
            .OrderByDescending(p => p.Major).ToList();
        var versionFile = Path.Combine(dataFolder, "PG_VERSION");
        if (!File.Exists(versionFile))
        {
            return installed.FirstOrDefault(p => p.Major >= OldestMajor) ?? throw new StartupException(
                $"PostgreSQL {OldestMajor} or newer is not installed: install it (Debian: apt-get install postgresql), name its programs " +
                    "in ORLEANS_CACHE_POSTGRES_BIN, or use a running one with --postgres.");
        }

        var text = File.ReadAllText(versionFile).Trim();
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted))
            throw new StartupException(
                $"{versionFile} does not hold a version number: this is not a PostgreSQL data directory that can be used.");
        if (wanted >= OldestMajor && installed.Find(p => p.Major == wanted) is { } match)
            return match;
        var have = installed.Count == 0 ? "none is installed" : "installed is " + string.Join(", ", installed.Select(p => p.Major));
        throw new StartupException(
            $"The data in {dataFolder} is of PostgreSQL {wanted} and {have}: install PostgreSQL {wanted} beside it, or move the data " +
                "with pg_upgrade. Nothing was changed.");
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("ORLEANS_CACHE_POSTGRES_BIN") is { Length: > 0 } named)
            return [named];
        string[] parents = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"];
        var versions = parents.Where(Directory.Exists).SelectMany(Directory.GetDirectories).Select(d => Path.Combine(d, "bin"));
        var red = Directory.Exists("/usr") ? Directory.GetDirectories("/usr", "pgsql-*").Select(d => Path.Combine(d, "bin")) : [];
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return versions.Concat(red).Concat(path);
    }

    private static PostgresProgram? TryProbe(string folder)
    {
        if (!File.Exists(Path.Combine(folder, "initdb")) || !File.Exists(Path.Combine(folder, "postgres")))
            return null;
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        var output = Command.Run(Path.Combine(folder, "postgres"), "--version").Output;
        var words = output.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var digits = words.Length > 2 ? words[2].TakeWhile(char.IsAsciiDigit).ToArray() : [];
        return int.TryParse(digits, CultureInfo.InvariantCulture, out var major) ? new PostgresProgram(folder, major) : null;
    }
}
