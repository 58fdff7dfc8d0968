using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;

namespace OrleansCache.Cli.Commands;

/// <summary>What the doctor says of Nix and its store.</summary>
internal static partial class DoctorCommand
{
    internal sealed partial class Examination
    {
        private async Task NixAsync(CancellationToken cancellationToken)
        {
            if (await new LocalStore().VersionAsync(cancellationToken) is not { } version)
            {
                Bad("nix", "the command 'nix' is not in PATH: closures cannot be looked up", ExitCodes.Usage);
                return;
            }

            Good("nix", version);
            try
            {
                LocalFiles(await new LocalStore().PlacesAsync(cancellationToken));
                Closures(cancellationToken);
            }
            catch (CliException e)
            {
                Bad("store", e.Message, e.ExitCode);
            }
        }

        private void LocalFiles(NixPlaces places)
        {
            if (!Directory.Exists(places.Store))
                Bad("store", $"{places.Store} does not exist", ExitCodes.Usage);
            else
                Good("store", places.Store);
            if (Directory.Exists(places.BuildLogs))
                Good("build logs", places.BuildLogs);
            else
                Warn("build logs", $"{places.BuildLogs} does not exist: no logs will be sent");
            try
            {
                if (new NixDatabase(places.Database).Read(database => database.Query("select 1 from ValidPaths limit 1")) is null)
                    throw new SqliteException("it is not a database of Nix");
                Good("realisations", $"{places.Database} can be read");
            }
            catch (SqliteException e)
            {
                Warn("realisations",
                    $"{places.Database} cannot be read: {e.Message}; realisations of content-addressed derivations will not be sent");
            }
        }

        /// <summary>Either way is well: Nix takes longer, and tells the same.</summary>
        private void Closures(CancellationToken cancellationToken)
        {
            try
            {
                Good("closures", $"read from {new LocalStore().Read([], cancellationToken).Places.Database}");
            }
            catch (SqliteException e)
            {
                Good("closures", $"told by 'nix path-info': {e.Message}");
            }
        }
    }
}
