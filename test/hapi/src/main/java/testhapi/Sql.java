package testhapi;

import java.sql.DriverManager;

/** Runs one statement, to make or drop a test's own database: -Ddb=JDBC-URL -Ddb.user= -Ddb.password= */
public final class Sql {

    public static void main(String[] args) throws Exception {
        String user = System.getProperty("db.user", "postgres");
        String password = System.getProperty("db.password", "");
        try (var connection = DriverManager.getConnection(System.getProperty("db"), user, password);
                var statement = connection.createStatement()) {
            statement.execute(args[0]);
        }
    }

    private Sql() {}
}
